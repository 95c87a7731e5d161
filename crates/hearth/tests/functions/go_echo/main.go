// Answers with what it was given, through AWS's own client for Go.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type answer struct {
	Language  string          `json:"language"`
	RequestID string          `json:"requestId"`
	Event     json.RawMessage `json:"event"`
}

func handle(ctx context.Context, event json.RawMessage) (answer, error) {
	called, _ := lambdacontext.FromContext(ctx)
	return answer{Language: "go", RequestID: called.AwsRequestID, Event: event}, nil
}

func main() {
	lambda.Start(handle)
}
