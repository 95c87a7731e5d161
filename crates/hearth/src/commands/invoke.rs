//! `hearth invoke`: invokes a function and prints its answer.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_types::limits::PAYLOAD_SYNC_BYTES_MAX;

use super::{EndpointArgs, FUNCTION_ERROR};
use crate::client::Call;
use crate::timeline::{self, Bars, Timeline};
use crate::ui;

/// Invoke a function and print its answer
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth invoke hello --payload '{\"name\": \"you\"}'
  hearth invoke hello --payload-file event.json --log
  echo '{}' | hearth invoke hello --payload -
  hearth invoke hello --timeline                    where the time went

The answer goes to standard output and nothing else does.
Exit codes: 0 answered; 1 not invoked; 2 wrong arguments; 3 the function ended in an error.")]
pub(crate) struct InvokeArgs {
    /// Name or ARN of the function; a version or alias may follow, as in hello:live
    name: String,
    /// The event as JSON; `-` reads standard input (default: {})
    #[arg(long, value_name = "JSON", conflicts_with = "payload_file")]
    payload: Option<String>,
    /// File with the event as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// Also show the end of the log of this invocation, on standard error
    #[arg(long)]
    log: bool,
    /// Also show where the time went, on standard error
    #[arg(long)]
    timeline: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Invokes, and prints the payload of the answer.
pub(crate) async fn run(args: &InvokeArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    let mut call = Call::invocation(&args.name, args.event()?);
    if args.log {
        call = call.header("x-amz-log-type", "Tail");
    }
    if args.timeline {
        call = call.header(timeline::HEADER, timeline::ASK);
    }
    let answer = client.send(call).await?.accepted()?;
    ui::out_bytes(&answer.body)?;
    if let Some(tail) = answer.header("x-amz-log-result") {
        let tail = STANDARD.decode(tail).context("could not decode the log")?;
        ui::note(String::from_utf8_lossy(&tail).trim_end());
    }
    if args.timeline {
        match answer.header(timeline::HEADER) {
            Some(text) => ui::note(&Timeline::parse(text)?.draw(Bars::on(ui::err_is_terminal()))),
            None => ui::warn("the server gave no timeline"),
        }
    }
    match answer.header("x-amz-function-error") {
        Some(kind) => {
            ui::warn(&format!("{} ended in an error ({kind})", args.name));
            Ok(ExitCode::from(FUNCTION_ERROR))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

impl InvokeArgs {
    /// The event. What is not JSON is refused by the server, in AWS's words.
    fn event(&self) -> anyhow::Result<Bytes> {
        let stdin = Path::new("-");
        match (self.payload.as_deref(), self.payload_file.as_deref()) {
            (Some("-"), _) => read(io::stdin().lock(), "standard input"),
            (Some(json), _) => Ok(Bytes::from(json.to_owned())),
            (None, Some(path)) if path == stdin => read(io::stdin().lock(), "standard input"),
            (None, Some(path)) => {
                let shown = path.display().to_string();
                let file = File::open(path).with_context(|| format!("could not open `{shown}`"))?;
                read(file, &shown)
            }
            (None, None) => Ok(Bytes::new()),
        }
    }
}

/// Reads an event, but not more than an event may have.
fn read(source: impl Read, shown: &str) -> anyhow::Result<Bytes> {
    let mut event = Vec::new();
    let mut bounded = source.take(PAYLOAD_SYNC_BYTES_MAX as u64 + 1);
    bounded.read_to_end(&mut event).with_context(|| format!("could not read `{shown}`"))?;
    if event.len() > PAYLOAD_SYNC_BYTES_MAX {
        bail!("`{shown}` has more than the {PAYLOAD_SYNC_BYTES_MAX} bytes that an event may have");
    }
    Ok(Bytes::from(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_limit() {
        let largest = vec![b' '; PAYLOAD_SYNC_BYTES_MAX];
        assert_eq!(read(largest.as_slice(), "x").unwrap().len(), PAYLOAD_SYNC_BYTES_MAX);
        assert!(read(io::repeat(b' '), "x").is_err());
    }
}
