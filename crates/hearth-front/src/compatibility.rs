//! How much of AWS's API is offered: the source of `docs/compatibility.md`.
//!
//! [`page`] writes the document. A test compares it with the file, and an end-to-end test asks a
//! server for every operation and finds that those that are listed as missing, and only those, are
//! refused as missing.

use std::fmt::Write as _;

use hearth_wire::lambda::Operation;
use hearth_wire::{
    apigateway, apigatewaymanagementapi, apigatewayv2, events, kinesis, logs, scheduler, sqs,
};

use crate::{elb, iam, s3, sns, sts};

/// How much of an operation is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// All of it.
    Full,
    /// Not all of it: what is missing, or is kept and has no effect yet.
    Partial(&'static str),
    /// Nothing: it is answered with `UnsupportedOperationException` and its name.
    NotYet(&'static str),
}

const SETTINGS: &str = "see [Settings that are kept](#settings-that-are-kept) and [that are refused](#settings-that-are-refused)";
const DURABLE: &str = "durable executions";
const CAPACITY: &str = "capacity providers (managed instances)";

/// What is offered of an operation of AWS Lambda.
#[must_use]
#[expect(clippy::too_many_lines, reason = "each operation is named once, and nothing else")]
pub fn offer(operation: Operation) -> Offer {
    match operation {
        Operation::CreateFunction
        | Operation::UpdateFunctionConfiguration
        | Operation::UpdateFunctionCode => Offer::Partial(SETTINGS),
        Operation::Invoke => Offer::Partial("not yet tenants and durable executions"),
        Operation::CreateFunctionUrlConfig | Operation::UpdateFunctionUrlConfig => Offer::Partial(
            "with `AWS_IAM` a request must be signed, but whose the key is cannot be checked, because callers have none",
        ),
        Operation::CreateEventSourceMapping | Operation::UpdateEventSourceMapping => {
            Offer::Partial(
                "[Event sources](event-sources.md) says which are read; a mapping of another one is kept, `Disabled`, and says why. Kept without effect: `KMSKeyArn`, `MetricsConfig`, `LoggingConfig`, `ProvisionedPollerConfig` of Kafka, `VPC_SUBNET` and `VPC_SECURITY_GROUP`",
            )
        }
        Operation::AddPermission | Operation::PutResourcePolicy => Offer::Partial(
            "asked for function URLs; between functions nothing is authorised yet, because callers are not authenticated",
        ),
        Operation::AddLayerVersionPermission => Offer::Partial(
            "kept; between functions nothing is authorised yet, because callers are not authenticated",
        ),
        Operation::PutProvisionedConcurrencyConfig => Offer::Partial(
            "environments are started and kept; invocations find `on-demand` as their initialization type",
        ),
        Operation::PutFunctionConcurrency => Offer::Partial(
            "a limit of the function; what it reserves is not yet kept free of others",
        ),
        Operation::PutRuntimeManagementConfig => {
            Offer::Partial("kept; runtimes change only when `hearth runtime add` is run")
        }
        Operation::CreateCodeSigningConfig | Operation::UpdateCodeSigningConfig => Offer::Partial(
            "signatures cannot be checked yet, so `Enforce` refuses all code and `Warn` lets all pass",
        ),
        Operation::PutFunctionScalingConfig | Operation::GetFunctionScalingConfig => {
            Offer::Partial("belongs to capacity providers, of which there are none")
        }
        Operation::InvokeWithResponseStream => Offer::Partial("not yet tenants"),
        Operation::CheckpointDurableExecution
        | Operation::DeleteDurableExecution
        | Operation::GetDurableExecution
        | Operation::GetDurableExecutionHistory
        | Operation::GetDurableExecutionState
        | Operation::ListDurableExecutionsByFunction
        | Operation::PauseDurableExecution
        | Operation::ResumeDurableExecution
        | Operation::SendDurableExecutionCallbackFailure
        | Operation::SendDurableExecutionCallbackHeartbeat
        | Operation::SendDurableExecutionCallbackSuccess
        | Operation::StopDurableExecution => Offer::NotYet(DURABLE),
        Operation::CreateCapacityProvider
        | Operation::DeleteCapacityProvider
        | Operation::GetCapacityProvider
        | Operation::ListCapacityProviders
        | Operation::ListFunctionVersionsByCapacityProvider
        | Operation::UpdateCapacityProvider => Offer::NotYet(CAPACITY),
        Operation::CreateAlias
        | Operation::DeleteAlias
        | Operation::DeleteCodeSigningConfig
        | Operation::DeleteEventSourceMapping
        | Operation::DeleteFunction
        | Operation::DeleteFunctionCodeSigningConfig
        | Operation::DeleteFunctionConcurrency
        | Operation::DeleteFunctionEventInvokeConfig
        | Operation::DeleteFunctionUrlConfig
        | Operation::DeleteLayerVersion
        | Operation::DeleteProvisionedConcurrencyConfig
        | Operation::DeleteResourcePolicy
        | Operation::GetAccountSettings
        | Operation::GetAlias
        | Operation::GetCodeSigningConfig
        | Operation::GetEventSourceMapping
        | Operation::GetFunction
        | Operation::GetFunctionCodeSigningConfig
        | Operation::GetFunctionConcurrency
        | Operation::GetFunctionConfiguration
        | Operation::GetFunctionEventInvokeConfig
        | Operation::GetFunctionRecursionConfig
        | Operation::GetFunctionUrlConfig
        | Operation::GetLayerVersion
        | Operation::GetLayerVersionByArn
        | Operation::GetLayerVersionPolicy
        | Operation::GetPolicy
        | Operation::GetProvisionedConcurrencyConfig
        | Operation::GetResourcePolicy
        | Operation::GetRuntimeManagementConfig
        | Operation::InvokeAsync
        | Operation::ListAliases
        | Operation::ListCodeSigningConfigs
        | Operation::ListEventSourceMappings
        | Operation::ListFunctionEventInvokeConfigs
        | Operation::ListFunctionUrlConfigs
        | Operation::ListFunctions
        | Operation::ListFunctionsByCodeSigningConfig
        | Operation::ListLayerVersions
        | Operation::ListLayers
        | Operation::ListProvisionedConcurrencyConfigs
        | Operation::ListTags
        | Operation::ListVersionsByFunction
        | Operation::PublishLayerVersion
        | Operation::PublishVersion
        | Operation::PutFunctionCodeSigningConfig
        | Operation::PutFunctionEventInvokeConfig
        | Operation::PutFunctionRecursionConfig
        | Operation::RemoveLayerVersionPermission
        | Operation::RemovePermission
        | Operation::TagResource
        | Operation::UntagResource
        | Operation::UpdateAlias
        | Operation::UpdateFunctionEventInvokeConfig => Offer::Full,
    }
}

/// Settings of functions that are checked, kept and shown, and what they do.
#[rustfmt::skip]
const KEPT: &[(&str, &str)] = &[
    ("`Role`",                          "not assumed: callers are not authenticated yet, so any well-formed ARN is taken"),
    ("`VpcConfig`",                     "no effect: functions have no network beside this server's endpoint"),
    ("`FileSystemConfigs`",             "not mounted"),
    ("`KMSKeyArn`",                     "variables are kept as they are: Hearth has no keys"),
    ("`TracingConfig`",                 "no traces are recorded"),
    ("`SnapStart`",                     "no snapshots are made: `OptimizationStatus` is always `Off`"),
    ("`LoggingConfig.LogFormat` JSON",  "given to the runtime, whose client then logs JSON; what the platform logs (START, END, REPORT) stays text"),
    ("`LoggingConfig.SystemLogLevel`",  "no effect, as the platform's lines are text"),
    ("`PackageType` Image",             "the function is kept in the state `Failed`, with the reason that images are not run yet"),
];

/// Settings that would change what a function is or where it runs.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "`Architectures` of another machine than this one",
    "`PublishTo`, `CapacityProviderConfig`, `AcceleratorConfig`",
    "`DurableConfig`", "`TenancyConfig`", "`RuntimeConfig`",
    "`S3ObjectStorageMode` REFERENCE", "`SourceKMSKeyArn`", "`FileSystemConfigs.S3FilesConfig`",
];

/// The whole document.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(HEAD);
    push_operations(&mut text);
    push_settings(&mut text);
    push_other_services(&mut text);
    push_queues(&mut text);
    text
}

fn push_operations(text: &mut String) {
    let offers: Vec<(&str, Offer)> =
        Operation::ALL.iter().map(|operation| (operation.name(), offer(*operation))).collect();
    let count = |wanted: fn(&Offer) -> bool| offers.iter().filter(|(_, one)| wanted(one)).count();
    let full = count(|one| matches!(one, Offer::Full));
    let partial = count(|one| matches!(one, Offer::Partial(_)));
    push(
        text,
        &format!(
            "\n## AWS Lambda\n\n{} operations: {full} full, {partial} partial, {} not yet.\n\n| operation | offered | |\n|---|---|---|\n",
            offers.len(),
            offers.len() - full - partial,
        ),
    );
    for (name, offer) in &offers {
        let (word, note) = match offer {
            Offer::Full => ("full", ""),
            Offer::Partial(note) => ("partial", *note),
            Offer::NotYet(note) => ("not yet", *note),
        };
        push(text, &format!("| `{name}` | {word} | {note} |\n"));
    }
}

fn push_settings(text: &mut String) {
    push(
        text,
        "\n### Settings that are kept\n\nThey are checked as AWS checks them, kept and shown. What they do:\n\n| setting | effect |\n|---|---|\n",
    );
    for (setting, effect) in KEPT {
        push(text, &format!("| {setting} | {effect} |\n"));
    }
    push(text, "\n### Settings that are refused\n\n");
    for setting in REFUSED {
        push(text, &format!("- {setting}\n"));
    }
}

fn push_other_services(text: &mut String) {
    let logs: Vec<&str> = logs::SERVICE.operations.iter().map(|one| one.name).collect();
    let events: Vec<&str> = events::SERVICE.operations.iter().map(|one| one.name).collect();
    let scheduler: Vec<&str> = scheduler::SERVICE.operations.iter().map(|one| one.name).collect();
    let apis: Vec<&str> = apigatewayv2::SERVICE.operations.iter().map(|one| one.name).collect();
    let connections = apigatewaymanagementapi::SERVICE.operations;
    let connections: Vec<&str> = connections.iter().map(|one| one.name).collect();
    let streams: Vec<&str> = kinesis::SERVICE.operations.iter().map(|one| one.name).collect();
    let rest_apis: Vec<&str> = apigateway::SERVICE.operations.iter().map(|one| one.name).collect();
    for (service, offered, notes) in [
        ("CloudWatch Logs", logs.as_slice(), NO_NOTES),
        ("EventBridge", events.as_slice(), EVENTBRIDGE_NOTES),
        ("EventBridge Scheduler", scheduler.as_slice(), SCHEDULER_NOTES),
        ("Kinesis", streams.as_slice(), KINESIS_NOTES),
        ("API Gateway, version 2", apis.as_slice(), APIS_NOTES),
        ("API Gateway, connections of WebSocket APIs", connections.as_slice(), CONNECTIONS_NOTES),
        ("API Gateway, version 1", rest_apis.as_slice(), REST_APIS_NOTES),
        ("S3", s3::OFFERED, S3_NOTES),
        ("IAM", iam::OFFERED, NO_NOTES),
        ("STS", sts::OFFERED, NO_NOTES),
        ("SNS", sns::OFFERED, SNS_NOTES),
        ("Elastic Load Balancing", elb::OFFERED, ELB_NOTES),
    ] {
        let mut offered: Vec<String> = offered.iter().map(|name| format!("`{name}`")).collect();
        offered.sort();
        push(
            text,
            &format!(
                "\n## {service}\n\nOffered: {}.\n\nNot yet: every other one.\n",
                offered.join(", ")
            ),
        );
        if !notes.is_empty() {
            push(text, "\n");
        }
        for note in notes {
            push(text, &format!("- {note}\n"));
        }
    }
}

const NO_NOTES: &[&str] = &[];

/// What is to be known of buckets.
const S3_NOTES: &[&str] = &[
    "Which cases are tested, and what is left out and why, stands in [s3.md](s3.md).",
    "Signatures are not checked, neither of requests nor of forms; times of presigned requests and policies of forms are.",
    "`PutBucketPolicy` and `PutPublicAccessBlock` are kept and shown, and have no effect beside that a bucket with `BlockPublicPolicy` takes no public policy: callers are not authenticated.",
    "`PutBucketEncryption` takes `AES256` alone, which every bucket and object has on AWS; nothing is encrypted. Other keys are refused.",
    "`PutBucketAcl` and `PutObjectAcl` take lists that leave everything to the bucket's owner; others are refused as AWS refuses them for `BucketOwnerEnforced`, which is the only `ObjectOwnership`.",
    "`PutBucketLogging` and `PutBucketRequestPayment` take what is so without them: no logging, and the owner pays.",
    "`PutBucketLifecycleConfiguration` refuses transitions: there is one storage class. What has expired is removed within an hour of its midnight.",
    "Uploads in parts that are not finished are forgotten after 7 days, whatever the rules say.",
    "`CopyObject` of an object that was put in parts keeps its parts and its ETag; AWS makes one part of them.",
    "Notifications: functions, queues, topics and the event bus are told of `ObjectCreated`, `ObjectRemoved`, `ObjectTagging` and `LifecycleExpiration`. The other events of S3 may be named and do not happen, because there is nothing that they could happen to.",
    "The policy of a function, a queue or a topic decides whether a bucket may name it, and is not asked again when an event is delivered. Conditions with numbers, dates and addresses are not understood: a statement that allows does not apply with one, a statement that denies does.",
    "With `events_endpoint`, events of buckets do not reach the bus there if it is AWS's, which takes nothing from others under the name `aws.s3`.",
];

/// What is to be known of topics beside the names of operations.
const SNS_NOTES: &[&str] = &[
    "Protocols: `sqs`, `lambda`, `http` and `https`. `email`, `email-json`, `sms`, `application` and `firehose` are refused.",
    "`KmsMasterKeyId` and `TracingConfig` are kept and have no effect. `ArchivePolicy`, `ReplayPolicy`, data protection policies and the attributes that have deliveries logged are refused.",
    "A standard topic has 100,000 subscriptions at the most (AWS: 12,500,000).",
    "The policy of a topic decides which other accounts may use it. Conditions other than on the account that asks are not understood: a statement that allows does not apply with one, a statement that denies does.",
    "Notifications are signed, and `SigningCertURL` leads to this server. The certificate is signed with its own key.",
];

/// What is to be known of load balancers.
const ELB_NOTES: &[&str] = &[
    "Version 2, load balancers of the type `application` and target groups of the type `lambda`. Others are refused.",
    "No listener has a socket of its own: requests come through the ports of the server, and [the guide](guides/load-balancers.md#which-listener) says which listener takes them.",
    "Subnets, security groups, `Scheme`, `IpAddressType`, the certificate and the `SslPolicy` of a listener are kept and have no effect: there are no networks here, and TLS shows `http_certificate`.",
    "Actions of the types `authenticate-oidc`, `authenticate-cognito` and `jwt-validation`, stickiness of target groups, transforms, regular expressions in conditions, and mutual authentication are refused.",
    "Of the attributes of a load balancer, `client_keep_alive.seconds`, `ipv6.deny_all_igw_traffic`, `routing.http.desync_mitigation_mode`, `routing.http.preserve_host_header.enabled`, `routing.http2.enabled`, `waf.fail_open.enabled`, and buckets and prefixes of logs are kept and have no effect. Logs, zonal shifts, and headers with the client's port or its TLS cannot be turned on.",
    "The words of a `statusDescription` are not passed on; the response has those of its status.",
    "Headers of more than 64 KB are answered with 431 before a load balancer sees them (AWS: 400).",
    "`DescribeCapacityReservation` answers that nothing is reserved, as nothing can be.",
];

/// What is to be known of HTTP and WebSocket APIs.
const APIS_NOTES: &[&str] = &[
    "A WebSocket API is reached at `ws://`, or at `wss://` where TLS is served. Inside functions the `domainName` of an event leads nowhere: [the guide](guides/websocket-apis.md#from-outside) says what does. Ids of connections do not survive a restart.",
    "Routes with the authorization type `AWS_IAM` are refused, because callers are not authenticated; so are `ApiKeyRequired`, models and request parameters of routes.",
    "Integrations are `AWS_PROXY` with a function and, for HTTP APIs, `HTTP_PROXY`. VPC links, services of AWS (`IntegrationSubtype`), `MOCK`, mapping of parameters, templates and `TlsConfig` are refused.",
    "Roles (`CredentialsArn`, `AuthorizerCredentialsArn`) are kept. With one, the function's policy does not have to let API Gateway in; what the role may do is not looked at.",
    "Stages: `AccessLogSettings`, `ClientCertificateId`, `DataTraceEnabled` and levels of logging are refused. `DetailedMetricsEnabled` is kept. Of automatic deployments only those are kept that a stage serves.",
    "`IpAddressType`, `ApiKeySelectionExpression` and `DisableSchemaValidation` are kept and have no effect.",
    "`ImportApi` and `ReimportApi` take OpenAPI 3.0 in JSON, not in YAML.",
    "An issuer of tokens may be asked over `http://` if it is on this machine. Issuers are asked when the first token comes, not when the authorizer is created.",
    "The rate of an account is not limited; stages and routes have the limits that they are given.",
];

/// What is to be known of the connections of WebSocket APIs.
const CONNECTIONS_NOTES: &[&str] = &[
    "Callers are not authenticated: whoever reaches the API's door and knows the id of a connection may send to it. At the door for functions alone (`http`) nobody may.",
    "A connection is found below its stage, or, at the path `/@connections/ID`, by its id alone.",
];

/// What is to be known of REST APIs.
const REST_APIS_NOTES: &[&str] = &[
    "Integrations are `AWS_PROXY` with a function, `HTTP_PROXY` and `MOCK`. `AWS` and `HTTP`, whose templates are in VTL, are refused; so are VPC links, `responseTransferMode` STREAM, `cacheKeyParameters`, `tlsConfig`, and request parameters of `AWS_PROXY`.",
    "The templates of mocks are texts: one with directives or references of VTL is refused. Their response parameters come from texts, `context` and `stageVariables`. Templates, responses and `contentHandling` of other integrations are kept, and nobody looks at them, as with AWS.",
    "Methods with the authorization types `AWS_IAM` and `COGNITO_USER_POOLS` are refused, because callers are not authenticated; so are authorizers of Cognito user pools and JWT authorizers, `authorizationScopes` and request validators. Request parameters and models of methods are kept: without a validator they have no effect with AWS either.",
    "Roles (`credentials`, `authorizerCredentials`) are kept. With one, the function's policy does not have to let API Gateway in; what the role may do is not looked at.",
    "The policy of an API is enforced with its deployments. Of its principals only `*` is anybody; conditions on numbers, dates and VPCs are not understood: a statement that allows does not apply with one, a statement that denies does.",
    "Stages: caches, canaries, access logs, client certificates and `documentationVersion` are refused. `tracingEnabled`, `metrics/enabled`, `logging/loglevel` and `logging/dataTrace` are kept.",
    "Endpoints of type `PRIVATE`, `minimumCompressionSize`, `securityPolicy` and `endpointAccessMode` are refused; `EDGE`, `REGIONAL` and `ipAddressType` are kept. `stageKeys` of API keys are refused; `customerId` and `productCode` are kept.",
    "`ImportRestApi` and `PutRestApi` take Swagger 2.0 and OpenAPI 3 in JSON, not in YAML. Gateway responses and request validators in a document are left out with a warning.",
    "Names of headers are in events as most clients of HTTP/1.1 write them (`Content-Type`), those that are not common in lower case; as a client wrote them they are not known.",
    "The rate of an account is not limited; plans, stages and methods have the limits that they are given. What a quota counts is on the disk a second later.",
];

/// What is to be known of event buses.
const EVENTBRIDGE_NOTES: &[&str] = &[
    "`PutTargets` takes functions, queues, topics, event buses and log groups; other targets are refused by name.",
    "Policies of buses (`PutPermission`), roles of rules and targets, and the `DeadLetterConfig` of a bus are kept and have no effect: callers are not authenticated, and nothing is encrypted with keys of their own.",
    "`KmsKeyIdentifier`, `LogConfig` and `EndpointId` are refused.",
    "Wildcards in patterns are taken also where AWS finds them too complex.",
];

/// What is to be known of schedules.
const SCHEDULER_NOTES: &[&str] = &[
    "Targets: functions, queues, topics and event buses, and the universal target `lambda:invoke` with `InvocationType` `Event` or `RequestResponse`. Other targets are refused by name.",
    "Schedules happen at their second, not at some moment of their minute. What becomes of those that come while no server is running is a setting, `missed_schedules`.",
    "`RoleArn` and `KmsKeyArn` are kept and have no effect: callers are not authenticated, and nothing is encrypted with keys of their own.",
    "A window ends where the next occurrence is scheduled, if it would be longer.",
    "A schedule whose only time is past when it is made never happens, and is deleted if `ActionAfterCompletion` says so.",
];

/// What is to be known of streams.
const KINESIS_NOTES: &[&str] = &[
    "In AWS JSON 1.1 and in CBOR (`application/x-amz-cbor-1.1`), which SDKs for Java speak.",
    "Streams, shards and consumers are `ACTIVE` when the operation that makes or changes them is answered; none is ever `CREATING`, `UPDATING` or `DELETING`.",
    "Shards take records as fast as they come. `kinesis_records_per_second` and `kinesis_bytes_per_second` set AWS's limits; reading has none.",
    "Encryption with keys (`StartStreamEncryption`), resource policies, `StreamId`, `WarmThroughputMiBps` and `RecordDistributionStrategy` AUTO are refused.",
    "`EnableEnhancedMonitoring` is kept: metrics are counted by stream, not by shard. Streams in the mode `ON_DEMAND` have four shards and keep them.",
    "An account has 1,000 open shards in a region at the most.",
];

/// What is different in the queues, of which every operation is offered.
#[rustfmt::skip]
const QUEUES: &[(&str, &str)] = &[
    ("`Policy`, `AddPermission`",               "kept and shown; not enforced, because callers are not authenticated yet: everybody may use every queue"),
    ("`KmsMasterKeyId`, `SqsManagedSseEnabled`", "kept and shown; messages are as plain as the file system that they are in"),
    ("`FifoThroughputLimit`",                   "kept; there is no limit of throughput"),
    ("`MessageGroupId` of a standard queue",    "kept and shown; messages come oldest first, whatever their group (no fair queues)"),
    ("`CreateQueue` after `DeleteQueue`",       "at once; AWS wants 60 seconds in between"),
    ("`ReceiveRequestAttemptId`",               "in memory: forgotten by a restart"),
    ("`ApproximateNumberOfMessagesMoved`",      "may be too small after a crash, by what was moved in the last second"),
    ("messages in flight",                      "120,000 for each queue; those from before a restart are not counted"),
];

fn push_queues(text: &mut String) {
    let operations = sqs::SERVICE.operations;
    let names: Vec<String> = operations.iter().map(|one| format!("`{}`", one.name)).collect();
    push(
        text,
        &format!(
            "\n## SQS\n\nOffered, in AWS JSON and in the older query protocol: {}.\n\nThese are all. What differs:\n\n| what | how |\n|---|---|\n",
            names.join(", ")
        ),
    );
    for (what, how) in QUEUES {
        push(text, &format!("| {what} | {how} |\n"));
    }
}

const HEAD: &str = "\
<!-- Written by `HEARTH_WRITE_DOCS=1 cargo test -p hearth-front compatibility`; do not edit. -->

# Compatibility

What of AWS's API this version offers. An operation that is *full* takes every input that AWS takes and answers
with the same fields, states and errors. What is *partial* says what is missing. What is *not yet* is answered
with status 501 and `UnsupportedOperationException`, which names the operation.
";

fn push(text: &mut String, more: &str) {
    text.write_str(more).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::page;

    #[test]
    fn the_document_says_what_the_code_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
        if std::env::var_os("HEARTH_WRITE_DOCS").is_some() {
            std::fs::write(&file, page()).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == page(),
            "docs/compatibility.md is out of date: HEARTH_WRITE_DOCS=1 cargo test -p hearth-front compatibility"
        );
    }
}
