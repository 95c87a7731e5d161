//! `hearth top`: what a server is doing, as a view that is drawn anew every second.
//!
//! ```text
//!  GET /_hearth/status ──▶ status ──▶ frame (pure) ──▶ terminal
//! ```
//!
//! # Promises
//!
//! 1. The terminal is as before when this ends, however it ends: by `q`, Ctrl-C, a signal or an
//!    error.
//! 2. A server that does not answer does not end the view once it is shown: the last figures stay,
//!    with the reason above them.
//!
//! # Deliberately absent
//!
//! Scrolling and choosing: the most active functions come first, and the rest is counted.

mod status;
mod frame;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hyper::Method;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use self::frame::{Size, View, render};
use self::status::Status;
use self::terminal::{Keys, Screen};
use super::EndpointArgs;
use crate::client::{Call, Client};
use crate::timeline::Bars;
use crate::ui;

/// How wide a frame is that no terminal shows.
const COLUMNS_OF_A_FILE: usize = 160;

/// Show what a server is doing, until `q` or Ctrl-C
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth top                          a live view, anew every second
  hearth top --interval 0.2           five times a second
  hearth top --once                   one frame, for a script or a report

Functions that run or wait come first. CALLS, COLD (the share of calls that had to wait for a start),
ERRORS and THROTTLED count from the start of the server; P50 and P99 are of recent calls, in
milliseconds. LOAD is what runs now, of what the function may have. A narrow terminal shows the most
important columns.")]
pub(crate) struct TopArgs {
    /// Print one frame and end
    #[arg(long)]
    once: bool,
    /// How long a frame stays
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Draws until it is told to end. Where there is no terminal, frames follow each other as text.
pub(crate) async fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    // A server that is not there is an error, and nothing to look at.
    let seen = Seen { now: ask(&client).await?, before: None, notice: None };
    if args.once {
        ui::out(&seen.frame(Size { rows: usize::MAX, ..terminal::size().unwrap_or(FILE) }))?;
    } else if ui::out_is_terminal() {
        watch(args, &client, seen).await?;
    } else {
        print(args, &client, seen).await?;
    }
    Ok(ExitCode::SUCCESS)
}

const FILE: Size = Size { columns: COLUMNS_OF_A_FILE, rows: usize::MAX };

/// What is known of the server.
struct Seen {
    now: Status,
    before: Option<Status>,
    /// Why `now` is not as new as it should be.
    notice: Option<String>,
}

impl Seen {
    fn frame(&self, size: Size) -> String {
        let view = View {
            status: &self.now,
            before: self.before.as_ref(),
            notice: self.notice.as_deref(),
            bars: Bars::on(ui::out_is_terminal()),
        };
        render(&view, size)
    }

    fn take(&mut self, asked: anyhow::Result<Status>) {
        match asked {
            Ok(status) => {
                self.before = Some(std::mem::replace(&mut self.now, status));
                self.notice = None;
            }
            Err(error) => self.notice = Some(format!("{error:#}")),
        }
    }
}

async fn ask(client: &Client) -> anyhow::Result<Status> {
    client.ask(Call::lambda(Method::GET, "/_hearth/status")).await
}

async fn ask_after(client: &Client, interval: Duration) -> anyhow::Result<Status> {
    sleep(interval).await;
    ask(client).await
}

/// Frames as text, until the server is gone or nobody reads them any more.
async fn print(args: &TopArgs, client: &Client, mut seen: Seen) -> anyhow::Result<()> {
    loop {
        ui::out(&format!("{}\n", seen.frame(FILE)))?;
        seen.take(Ok(ask_after(client, args.interval).await?));
    }
}

/// Frames on the screen, until somebody wants no more of them.
async fn watch(args: &TopArgs, client: &Client, mut seen: Seen) -> anyhow::Result<()> {
    // Before the screen is changed, so that no signal finds it changed and nobody listening.
    let signals = Signals::listen()?;
    let screen = Screen::open()?;
    let enough = signals.or_quit(Keys::open());
    tokio::pin!(enough);
    loop {
        // A terminal that does not say how large it is has the size of the oldest.
        let size = terminal::size().unwrap_or(Size { columns: 80, rows: 24 });
        screen.show(&seen.frame(size))?;
        tokio::select! {
            () = &mut enough => return Ok(()),
            asked = ask_after(client, args.interval) => seen.take(asked),
        }
    }
}

/// The signals that end a program. Whoever listens has to end by itself.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("could not listen to signals");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal or for the key that means the same.
    async fn or_quit(mut self, keys: Keys) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            () = keys.quit() => {}
        }
    }
}

/// Reads an interval such as `0.5`.
fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a number of seconds from 0.1 to 3600, such as 0.5".to_owned();
    let seconds = text.parse::<f64>().ok().ok_or_else(wrong)?;
    let possible = (0.1..=3_600.0).contains(&seconds);
    if possible { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        #[rustfmt::skip]
        let rows = [
            ("1",    Some(1_000)),
            ("0.5",  Some(500)),
            ("3600", Some(3_600_000)),
            ("0",    None),
            ("-1",   None),
            ("NaN",  None),
            ("inf",  None),
            ("fast", None),
        ];
        for (text, expected) in rows {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(interval(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_failure_keeps_the_last_figures_and_says_why() {
        let status = |version: &str| Status { version: version.to_owned(), ..Status::default() };
        let mut seen = Seen { now: status("1"), before: None, notice: None };
        seen.take(Ok(status("2")));
        seen.take(Err(anyhow::anyhow!("no answer")));
        assert_eq!((seen.now.version.as_str(), seen.notice.as_deref()), ("2", Some("no answer")));
        assert_eq!(seen.before.as_ref().map(|status| status.version.as_str()), Some("1"));
        seen.take(Ok(status("3")));
        assert_eq!((seen.now.version.as_str(), seen.notice.as_deref()), ("3", None));
    }
}
