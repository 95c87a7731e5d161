//! What every part works with: the client, the code of functions, and what is expected of answers.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{
    BehaviorVersion, Config, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_lambda::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::FunctionCode;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use serde_json::Value;

/// The function that everything is done with.
pub(crate) const NAME: &str = "rust-sdk";
pub(crate) const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:rust-sdk";
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/rust-sdk";
pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:rust-sdk";
/// The form of a revision, and the revision of nothing.
pub(crate) const WRONG_REVISION: &str = "00000000-0000-4000-8000-000000000000";
/// How long what happens behind an answer may take, on a machine that is busy compiling.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a state is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A client, and what it needs again and again.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    pub(crate) code: Blob,
    pub(crate) other_code: Blob,
    recorder: Recorder,
}

impl Session {
    /// A client of an endpoint, and the archives in two files.
    pub(crate) fn new(endpoint: &str, [code, other_code]: [&str; 2]) -> Self {
        let recorder = Recorder::default();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "fixed"))
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
            .interceptor(recorder.clone())
            .build();
        let read = |path: &str| {
            Blob::new(
                fs::read(path).unwrap_or_else(|error| panic!("could not read {path}: {error}")),
            )
        };
        Self {
            client: Client::from_conf(config),
            endpoint: endpoint.to_owned(),
            code: read(code),
            other_code: read(other_code),
            recorder,
        }
    }

    /// The code of a new function.
    pub(crate) fn function_code(&self) -> FunctionCode {
        FunctionCode::builder().zip_file(self.code.clone()).build()
    }

    /// The operations of which requests have been sent.
    pub(crate) fn called(&self) -> BTreeSet<String> {
        self.recorder.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes down which operations are called.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<BTreeSet<String>>>);

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().ok_or("the request has no operation")?;
        let mut called = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        called.insert(operation.name().to_owned());
        Ok(())
    }
}

/// The size of an archive, as AWS has it.
pub(crate) fn size(archive: &Blob) -> i64 {
    i64::try_from(archive.as_ref().len()).expect("archives are small")
}

/// What a call that succeeds answers.
#[track_caller]
pub(crate) fn good<O, E>(result: Result<O, SdkError<E>>) -> O
where
    E: Error + 'static,
{
    match result {
        Ok(output) => output,
        Err(error) => panic!("{}", DisplayErrorContext(&error)),
    }
}

/// Fails unless a call was refused with an error that the SDK knows, and with this text.
#[track_caller]
pub(crate) fn refused<O, E>(result: Result<O, SdkError<E>>, expected: fn(&E) -> bool, text: &str)
where
    O: Debug,
    E: Error + ProvideErrorMetadata + 'static,
{
    let error = refusal(result);
    assert!(expected(&error), "refused otherwise: {error:?}");
    assert_eq!(error.message(), Some(text), "{error:?}");
}

/// Fails unless a call was refused with an error that the SDK does not know for its operation.
#[track_caller]
pub(crate) fn refused_with<O, E>(result: Result<O, SdkError<E>>, (code, text): (&str, &str))
where
    O: Debug,
    E: Error + ProvideErrorMetadata + 'static,
{
    let error = refusal(result);
    assert_eq!((error.code(), error.message()), (Some(code), Some(text)), "{error:?}");
}

/// The error with which the server has refused a call.
#[track_caller]
fn refusal<O, E>(result: Result<O, SdkError<E>>) -> E
where
    O: Debug,
    E: Error + 'static,
{
    match result {
        Err(SdkError::ServiceError(refused)) => refused.into_err(),
        Err(error) => panic!("not refused by the server: {}", DisplayErrorContext(&error)),
        Ok(output) => panic!("not refused: {output:?}"),
    }
}

/// Asks again and again until the answer is as wanted.
pub(crate) async fn eventually<T: Debug>(
    what: &str,
    ask: impl AsyncFn() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}; {answer:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// The JSON in a text that must be there.
#[track_caller]
pub(crate) fn parsed(text: Option<&str>) -> Value {
    let text = text.expect("there is a text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
