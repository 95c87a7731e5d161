//! The terminal: its size, a screen of our own, and the key that ends.
//!
//! # Promises
//!
//! 1. A [`Screen`] that is dropped leaves the terminal as it found it.
//!
//! # Deliberately absent
//!
//! No library for terminals: what is needed are five control sequences that every terminal of the
//! last decades knows. Being stopped with Ctrl-Z is left to the terminal.

use std::io::{IsTerminal as _, Stdin, stdin, stdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::read;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::frame::Size;
use crate::ui;

/// Another screen, so that what was there before comes back; and no cursor.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";
const TO_THE_BEGINNING: &str = "\x1b[H";
const REST_OF_THE_LINE: &str = "\x1b[K";
const REST_OF_THE_SCREEN: &str = "\x1b[J";
/// What Ctrl-C is where the terminal does not make a signal of it.
const END_OF_TEXT: u8 = 3;
/// How often keys are looked for: sooner than a person notices.
const KEY_PAUSE: Duration = Duration::from_millis(50);

/// How large the terminal is at the moment, if the output is one that knows.
pub(super) fn size() -> Option<Size> {
    let found = tcgetwinsize(stdout()).ok()?;
    let size = Size { columns: found.ws_col.into(), rows: found.ws_row.into() };
    (size.columns > 0 && size.rows > 0).then_some(size)
}

/// The screen, as long as it is ours.
pub(super) struct Screen {
    /// How the terminal treated keys before, if keys come from one.
    modes: Option<Termios>,
}

impl Screen {
    pub(super) fn open() -> anyhow::Result<Screen> {
        // It exists before anything is changed, so that a failure undoes what was.
        let screen = Screen { modes: tcgetattr(stdin()).ok() };
        if let Some(modes) = &screen.modes {
            // Without, the view is only a little less tidy, and Ctrl-C ends it all the same.
            let _changed = tcsetattr(stdin(), OptionalActions::Now, &each_key(modes));
        }
        ui::control(OPEN)?;
        Ok(screen)
    }

    /// Shows a frame in the place of the one before it.
    pub(super) fn show(&self, frame: &str) -> anyhow::Result<()> {
        ui::control(&painted(frame))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone does not have to be restored.
        let _written = ui::control(CLOSE);
        if let Some(modes) = &self.modes {
            let _restored = tcsetattr(stdin(), OptionalActions::Now, modes);
        }
    }
}

/// The same modes, except that keys come at once and are not shown.
fn each_key(modes: &Termios) -> Termios {
    let mut modes = modes.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    // To read never waits: whether there is something is asked before.
    modes.special_codes[SpecialCodeIndex::VMIN] = 0;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    modes
}

/// Overwrites line by line, so that nothing flickers. The first line is the title.
fn painted(frame: &str) -> String {
    let mut lines = frame.split('\n');
    let title = lines.next().unwrap_or_default();
    let mut text = format!("{TO_THE_BEGINNING}\x1b[1m{title}\x1b[0m{REST_OF_THE_LINE}");
    for line in lines {
        text.push_str("\r\n");
        text.push_str(line);
        text.push_str(REST_OF_THE_LINE);
    }
    text.push_str(REST_OF_THE_SCREEN);
    text
}

/// The keys that somebody presses, if there is a keyboard.
pub(super) struct Keys(Option<Stdin>);

impl Keys {
    pub(super) fn open() -> Keys {
        let stdin = stdin();
        Keys(stdin.is_terminal().then_some(stdin))
    }

    /// Waits until a key is pressed that means to end.
    pub(super) async fn quit(self) {
        let Some(input) = self.0 else {
            return std::future::pending().await;
        };
        loop {
            // Asked now and then: tokio's own standard input reads in a thread that nothing can end.
            tokio::time::sleep(KEY_PAUSE).await;
            let mut ready = [PollFd::new(&input, PollFlags::IN)];
            if !matches!(poll(&mut ready, Some(&Timespec::default())), Ok(1)) {
                continue;
            }
            let mut keys = [0_u8; 64];
            let count = read(&input, &mut keys).unwrap_or(0);
            if count == 0 {
                return std::future::pending().await;
            }
            if keys[..count].iter().any(|key| matches!(*key, b'q' | b'Q' | END_OF_TEXT)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::painted;

    #[test]
    fn a_frame_overwrites_the_one_before_it() {
        let expected = "\x1b[H\x1b[1mtitle\x1b[0m\x1b[K\r\nline\x1b[K\x1b[J";
        assert_eq!(painted("title\nline"), expected);
    }
}
