// Streams what it was given, word by word, and fails behind it if it is told to.
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of event.words) {
    stream.write(word);
  }
  if (event.fail) {
    throw new Error("of my own");
  }
  stream.end();
});
