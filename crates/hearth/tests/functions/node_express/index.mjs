// A web application like any other. Only its last line knows that it is a function.
import express from "express";
import serverless from "serverless-http";

const app = express();
app.use(express.json());

app.get("/pets/:name", (request, response) => {
  const cookies = Object.fromEntries(
    (request.headers.cookie ?? "").split("; ").map((pair) => pair.split("=")),
  );
  response.cookie("first", "1").cookie("second", "2");
  const limit = Number(request.query.limit ?? 10);
  response.json({ name: request.params.name, limit, seen: cookies.seen ?? "" });
});

app.post("/pets", (request, response) => {
  const { name, age } = request.body ?? {};
  if (typeof name !== "string" || typeof age !== "number") {
    return response.status(422).json({ error: "a pet has a name and an age" });
  }
  response.status(201).json({ added: name, age });
});

app.get("/picture", (_request, response) => {
  response.type("image/png").send(Buffer.from("\x89PNG\xff\x00", "latin1"));
});

export const handler = serverless(app, { binary: ["image/*"] });
