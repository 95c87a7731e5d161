// Streams a response with status and headers, as AWS documents it.
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const response = awslambda.HttpResponseStream.from(stream, {
    statusCode: 201,
    headers: { "Content-Type": "text/plain", "X-Path": event.rawPath },
    cookies: ["a=1", "b=2"],
  });
  for (const word of ["one ", "two ", "three"]) {
    response.write(word);
  }
  response.end();
});
