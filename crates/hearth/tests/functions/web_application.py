"""A web application like any other. Only its last line knows that it is a function."""

from fastapi import Cookie, FastAPI, Response
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Pet(BaseModel):
    name: str
    age: int


@app.get("/pets/{name}")
def pet(name: str, response: Response, limit: int = 10, seen: str = Cookie("")):
    response.set_cookie("first", "1")
    response.set_cookie("second", "2")
    return {"name": name, "limit": limit, "seen": seen}


@app.post("/pets", status_code=201)
def add(pet: Pet):
    return {"added": pet.name, "age": pet.age}


@app.get("/picture")
def picture():
    return Response(b"\x89PNG\xff\x00", media_type="image/png")


handler = Mangum(app, lifespan="off")
