# A function with everything around it that Hearth offers.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" {}

variable "memory" {
  default = 128
}

variable "weight" {
  default = 0.25
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true

  endpoints {
    iam    = var.endpoint
    lambda = var.endpoint
    logs   = var.endpoint
    s3     = var.endpoint
    sts    = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

resource "aws_iam_role" "role" {
  name = "from-terraform"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.role.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_layer_version" "layer" {
  layer_name          = "from-terraform"
  filename            = "code.zip"
  source_code_hash    = filebase64sha256("code.zip")
  compatible_runtimes = ["provided.al2023"]
}

resource "aws_lambda_function" "function" {
  function_name                  = "from-terraform"
  role                           = aws_iam_role.role.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  filename                       = "code.zip"
  source_code_hash               = filebase64sha256("code.zip")
  memory_size                    = var.memory
  layers                         = [aws_lambda_layer_version.layer.arn]
  reserved_concurrent_executions = 5
  publish                        = true
  tags                           = { made = "by Terraform" }

  environment {
    variables = { STAGE = "test" }
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version

  # The first apply makes version 1 alone; weights need a second one.
  dynamic "routing_config" {
    for_each = aws_lambda_function.function.version == "1" ? [] : [1]
    content {
      additional_version_weights = { "1" = var.weight }
    }
  }
}

resource "aws_lambda_permission" "bucket" {
  statement_id   = "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_account = data.aws_caller_identity.me.account_id
}

resource "aws_lambda_function_url" "url" {
  function_name      = aws_lambda_function.function.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
}

resource "aws_lambda_function_event_invoke_config" "retries" {
  function_name          = aws_lambda_function.function.function_name
  maximum_retry_attempts = 1
}
