// Answers with what it was given.
export const handler = async (event, context) => ({
  language: "node",
  requestId: context.awsRequestId,
  event,
});
