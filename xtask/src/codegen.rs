//! Writes the tables and the types of `hearth-wire` from AWS's service models.
//!
//! ```text
//!  botocore's data ──(--from-botocore DIR)──▶ crates/hearth-wire/models/*.json
//!                                                      │
//!                                        (no argument) │ (--check only compares)
//!                                                      ▼
//!                              crates/hearth-wire/src/*/*.rs
//! ```
//!
//! # Promises
//!
//! 1. The same models give the same files, byte for byte: everything is in the model's order.
//! 2. A part of a model that the generator does not understand is an error and is not skipped.
//!
//! # Deliberately absent
//!
//! Documentation and examples of AWS: the committed models hold only what is read here.

mod model;
mod tables;
mod types;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use model::Model;

/// One service, and what of it is compiled in.
struct Source {
    /// Its file in `models/` and its module.
    module: &'static str,
    /// Its model inside botocore's directory.
    botocore: &'static str,
    /// The operations to describe; all of them if this is empty.
    operations: &'static [&'static str],
    /// The operations that get structs. Few, to keep compile times small.
    typed_operations: &'static [&'static str],
    /// How serde turns most field names into member names.
    rename_all: &'static str,
}

static SOURCES: [Source; 9] = [
    Source {
        module: "lambda",
        botocore: "data/lambda/2015-03-31/service-2.json",
        operations: &[],
        typed_operations: &LAMBDA_TYPED_OPERATIONS,
        rename_all: "PascalCase",
    },
    Source {
        module: "logs",
        botocore: "data/logs/2014-03-28/service-2.json",
        operations: &LOGS_OPERATIONS,
        typed_operations: &LOGS_OPERATIONS,
        rename_all: "camelCase",
    },
    Source {
        module: "sqs",
        botocore: "data/sqs/2012-11-05/service-2.json",
        operations: &[],
        typed_operations: &SQS_OPERATIONS,
        rename_all: "PascalCase",
    },
    Source {
        module: "events",
        botocore: "data/events/2015-10-07/service-2.json",
        operations: &EVENTS_OPERATIONS,
        typed_operations: &EVENTS_OPERATIONS,
        rename_all: "PascalCase",
    },
    Source {
        module: "apigatewayv2",
        botocore: "data/apigatewayv2/2018-11-29/service-2.json",
        operations: &APIGATEWAYV2_OPERATIONS,
        typed_operations: &APIGATEWAYV2_OPERATIONS,
        rename_all: "camelCase",
    },
    Source {
        module: "apigateway",
        botocore: "data/apigateway/2015-07-09/service-2.json",
        operations: &APIGATEWAY_OPERATIONS,
        typed_operations: &APIGATEWAY_OPERATIONS,
        rename_all: "camelCase",
    },
    Source {
        module: "apigatewaymanagementapi",
        botocore: "data/apigatewaymanagementapi/2018-11-29/service-2.json",
        operations: &[],
        typed_operations: &APIGATEWAYMANAGEMENTAPI_OPERATIONS,
        rename_all: "camelCase",
    },
    Source {
        module: "scheduler",
        botocore: "data/scheduler/2021-06-30/service-2.json",
        operations: &[],
        typed_operations: &SCHEDULER_OPERATIONS,
        rename_all: "PascalCase",
    },
    Source {
        module: "kinesis",
        botocore: "data/kinesis/2013-12-02/service-2.json",
        operations: &KINESIS_OPERATIONS,
        typed_operations: &KINESIS_OPERATIONS,
        rename_all: "PascalCase",
    },
];

/// All of them.
const SQS_OPERATIONS: [&str; 23] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// Those of buses, rules and targets.
const EVENTS_OPERATIONS: [&str; 21] = [
    "CreateEventBus",
    "DeleteEventBus",
    "DeleteRule",
    "DescribeEventBus",
    "DescribeRule",
    "DisableRule",
    "EnableRule",
    "ListEventBuses",
    "ListRuleNamesByTarget",
    "ListRules",
    "ListTagsForResource",
    "ListTargetsByRule",
    "PutEvents",
    "PutPermission",
    "PutRule",
    "PutTargets",
    "RemovePermission",
    "RemoveTargets",
    "TagResource",
    "TestEventPattern",
    "UntagResource",
];

/// Those of HTTP and WebSocket APIs; not domain names, links and portals.
const APIGATEWAYV2_OPERATIONS: [&str; 42] = [
    "CreateApi",
    "CreateAuthorizer",
    "CreateDeployment",
    "CreateIntegration",
    "CreateRoute",
    "CreateRouteResponse",
    "CreateStage",
    "DeleteApi",
    "DeleteAuthorizer",
    "DeleteCorsConfiguration",
    "DeleteDeployment",
    "DeleteIntegration",
    "DeleteRoute",
    "DeleteRouteResponse",
    "DeleteRouteSettings",
    "DeleteStage",
    "GetApi",
    "GetApis",
    "GetAuthorizer",
    "GetAuthorizers",
    "GetDeployment",
    "GetDeployments",
    "GetIntegration",
    "GetIntegrations",
    "GetRoute",
    "GetRouteResponse",
    "GetRouteResponses",
    "GetRoutes",
    "GetStage",
    "GetStages",
    "GetTags",
    "ImportApi",
    "ReimportApi",
    "TagResource",
    "UntagResource",
    "UpdateApi",
    "UpdateAuthorizer",
    "UpdateDeployment",
    "UpdateIntegration",
    "UpdateRoute",
    "UpdateRouteResponse",
    "UpdateStage",
];

/// Those of REST APIs with functions behind them, of API keys and of usage plans.
const APIGATEWAY_OPERATIONS: [&str; 61] = [
    "CreateApiKey",
    "CreateAuthorizer",
    "CreateDeployment",
    "CreateResource",
    "CreateRestApi",
    "CreateStage",
    "CreateUsagePlan",
    "CreateUsagePlanKey",
    "DeleteApiKey",
    "DeleteAuthorizer",
    "DeleteDeployment",
    "DeleteIntegration",
    "DeleteIntegrationResponse",
    "DeleteMethod",
    "DeleteMethodResponse",
    "DeleteResource",
    "DeleteRestApi",
    "DeleteStage",
    "DeleteUsagePlan",
    "DeleteUsagePlanKey",
    "FlushStageAuthorizersCache",
    "GetAccount",
    "GetApiKey",
    "GetApiKeys",
    "GetAuthorizer",
    "GetAuthorizers",
    "GetDeployment",
    "GetDeployments",
    "GetIntegration",
    "GetIntegrationResponse",
    "GetMethod",
    "GetMethodResponse",
    "GetResource",
    "GetResources",
    "GetRestApi",
    "GetRestApis",
    "GetStage",
    "GetStages",
    "GetTags",
    "GetUsage",
    "GetUsagePlan",
    "GetUsagePlanKey",
    "GetUsagePlanKeys",
    "GetUsagePlans",
    "ImportRestApi",
    "PutIntegration",
    "PutIntegrationResponse",
    "PutMethod",
    "PutMethodResponse",
    "PutRestApi",
    "TagResource",
    "UntagResource",
    "UpdateApiKey",
    "UpdateAuthorizer",
    "UpdateDeployment",
    "UpdateIntegration",
    "UpdateMethod",
    "UpdateResource",
    "UpdateRestApi",
    "UpdateStage",
    "UpdateUsagePlan",
];

/// All of them.
const APIGATEWAYMANAGEMENTAPI_OPERATIONS: [&str; 3] =
    ["DeleteConnection", "GetConnection", "PostToConnection"];

/// All of them.
const SCHEDULER_OPERATIONS: [&str; 12] = [
    "CreateSchedule",
    "CreateScheduleGroup",
    "DeleteSchedule",
    "DeleteScheduleGroup",
    "GetSchedule",
    "GetScheduleGroup",
    "ListScheduleGroups",
    "ListSchedules",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
    "UpdateSchedule",
];

/// Those of streams, shards and consumers; not channels, queues, encryption and policies.
const KINESIS_OPERATIONS: [&str; 31] = [
    "AddTagsToStream",
    "CreateStream",
    "DecreaseStreamRetentionPeriod",
    "DeleteStream",
    "DeregisterStreamConsumer",
    "DescribeLimits",
    "DescribeStream",
    "DescribeStreamConsumer",
    "DescribeStreamSummary",
    "DisableEnhancedMonitoring",
    "EnableEnhancedMonitoring",
    "GetRecords",
    "GetShardIterator",
    "IncreaseStreamRetentionPeriod",
    "ListShards",
    "ListStreamConsumers",
    "ListStreams",
    "ListTagsForResource",
    "ListTagsForStream",
    "MergeShards",
    "PutRecord",
    "PutRecords",
    "RegisterStreamConsumer",
    "RemoveTagsFromStream",
    "SplitShard",
    "SubscribeToShard",
    "TagResource",
    "UntagResource",
    "UpdateMaxRecordSize",
    "UpdateShardCount",
    "UpdateStreamMode",
];

/// Extended as operations are built.
const LAMBDA_TYPED_OPERATIONS: [&str; 71] = [
    "AddLayerVersionPermission",
    "AddPermission",
    "CreateAlias",
    "CreateCodeSigningConfig",
    "CreateEventSourceMapping",
    "CreateFunction",
    "CreateFunctionUrlConfig",
    "DeleteAlias",
    "DeleteCodeSigningConfig",
    "DeleteEventSourceMapping",
    "DeleteFunction",
    "DeleteFunctionCodeSigningConfig",
    "DeleteFunctionConcurrency",
    "DeleteFunctionEventInvokeConfig",
    "DeleteFunctionUrlConfig",
    "DeleteLayerVersion",
    "DeleteProvisionedConcurrencyConfig",
    "DeleteResourcePolicy",
    "GetAccountSettings",
    "GetAlias",
    "GetCodeSigningConfig",
    "GetEventSourceMapping",
    "GetFunction",
    "GetFunctionCodeSigningConfig",
    "GetFunctionConcurrency",
    "GetFunctionConfiguration",
    "GetFunctionEventInvokeConfig",
    "GetFunctionRecursionConfig",
    "GetFunctionScalingConfig",
    "GetFunctionUrlConfig",
    "GetLayerVersion",
    "GetLayerVersionByArn",
    "GetLayerVersionPolicy",
    "GetPolicy",
    "GetProvisionedConcurrencyConfig",
    "GetResourcePolicy",
    "GetRuntimeManagementConfig",
    "Invoke",
    "ListAliases",
    "ListCodeSigningConfigs",
    "ListEventSourceMappings",
    "ListFunctionEventInvokeConfigs",
    "ListFunctionUrlConfigs",
    "ListFunctions",
    "ListFunctionsByCodeSigningConfig",
    "ListLayerVersions",
    "ListLayers",
    "ListProvisionedConcurrencyConfigs",
    "ListTags",
    "ListVersionsByFunction",
    "PublishLayerVersion",
    "PublishVersion",
    "PutFunctionCodeSigningConfig",
    "PutFunctionConcurrency",
    "PutFunctionEventInvokeConfig",
    "PutFunctionRecursionConfig",
    "PutFunctionScalingConfig",
    "PutProvisionedConcurrencyConfig",
    "PutResourcePolicy",
    "PutRuntimeManagementConfig",
    "RemoveLayerVersionPermission",
    "RemovePermission",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateCodeSigningConfig",
    "UpdateEventSourceMapping",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig",
];

const LOGS_OPERATIONS: [&str; 11] = [
    "DescribeLogGroups",
    "DescribeLogStreams",
    "FilterLogEvents",
    "GetLogEvents",
    "CreateLogGroup",
    "CreateLogStream",
    "DeleteLogGroup",
    "DeleteLogStream",
    "PutLogEvents",
    "PutRetentionPolicy",
    "DeleteRetentionPolicy",
];

/// What to do with the files that the generator makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    Check,
}

/// `codegen`, `codegen --check` or `codegen --from-botocore DIR`.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => generate(Mode::Write),
        ["--check"] => generate(Mode::Check),
        ["--from-botocore", directory] => {
            import(Path::new(directory))?;
            generate(Mode::Write)
        }
        _ => anyhow::bail!("usage: cargo xtask codegen [--check | --from-botocore DIR]"),
    }
}

/// Writes the stripped models.
fn import(botocore: &Path) -> anyhow::Result<()> {
    for source in &SOURCES {
        let path = botocore.join(source.botocore);
        let text = read_model(&path)?;
        let model: Model = serde_json::from_slice(&text)
            .with_context(|| format!("could not read the model {}", path.display()))?;
        let stripped = model.restricted_to(source.operations)?.named_as_on_the_wire();
        let mut text = serde_json::to_string_pretty(&stripped)?;
        text.push('\n');
        let target = model_path(source);
        fs::write(&target, text)
            .with_context(|| format!("could not write {}", target.display()))?;
    }
    Ok(())
}

/// Reads a model, which botocore's packages hold compressed or plain.
fn read_model(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.exists() {
        return fs::read(path).with_context(|| format!("could not read {}", path.display()));
    }
    let path = path.with_extension("json.gz");
    let file =
        fs::File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut text)
        .with_context(|| format!("could not decompress {}", path.display()))?;
    Ok(text)
}

/// Makes every generated file, and writes it or compares it.
fn generate(mode: Mode) -> anyhow::Result<()> {
    let mut different = Vec::new();
    for source in &SOURCES {
        let path = model_path(source);
        let text = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        let model: Model = serde_json::from_slice(&text)
            .with_context(|| format!("could not read the model {}", path.display()))?;
        for (name, body) in files(source, &model)? {
            let path = crate_root().join("src").join(source.module).join(name);
            let text = formatted(&format!("{}{body}", header(source)))?;
            match mode {
                Mode::Write => fs::write(&path, text)
                    .with_context(|| format!("could not write {}", path.display()))?,
                Mode::Check if fs::read_to_string(&path).ok().as_ref() == Some(&text) => {}
                Mode::Check => different.push(path.display().to_string()),
            }
        }
    }
    ensure!(
        different.is_empty(),
        "these files are not what `cargo xtask codegen` makes: {}",
        different.join(", ")
    );
    Ok(())
}

fn files(source: &Source, model: &Model) -> anyhow::Result<[(&'static str, String); 4]> {
    Ok([
        ("operations.rs", tables::operations(model)?),
        ("shapes.rs", tables::shapes(model)?),
        ("errors.rs", tables::errors(model)?),
        ("types.rs", types::types(model, source.typed_operations, source.rename_all)?),
    ])
}

fn header(source: &Source) -> String {
    let module = source.module;
    format!("// @generated by cargo xtask codegen from models/{module}.json; do not edit.\n\n")
}

/// Formats Rust as the workspace formats it.
fn formatted(text: &str) -> anyhow::Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(workspace_root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start rustfmt")?;
    // rustfmt reads everything before it writes anything, so the pipes cannot fill up both ways.
    let mut input = rustfmt.stdin.take().context("rustfmt has no input")?;
    input.write_all(text.as_bytes()).context("could not send text to rustfmt")?;
    drop(input);
    let output = rustfmt.wait_with_output().context("could not wait for rustfmt")?;
    ensure!(output.status.success(), "rustfmt refused the generated text");
    String::from_utf8(output.stdout).context("rustfmt did not answer with text")
}

fn model_path(source: &Source) -> PathBuf {
    crate_root().join("models").join(format!("{}.json", source.module))
}

fn crate_root() -> PathBuf {
    workspace_root().join("crates/hearth-wire")
}

fn workspace_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask is inside the workspace").to_path_buf()
}
