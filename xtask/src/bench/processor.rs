//! The processor time of processes, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// What the kernel shows to programs: a hundredth of a second on every architecture that we run on.
const TICK: Duration = Duration::from_millis(10);
/// The fields between the name of a program and its times: the state, and ten numbers.
const FIELDS_BEFORE: usize = 11;

/// How long a process has had a processor, with all of its threads.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    let ticks = ticks(&text).with_context(|| format!("{path} has another form"))?;
    Ok(TICK.saturating_mul(ticks))
}

/// The ticks for the program itself and for the kernel on its behalf.
fn ticks(text: &str) -> Option<u32> {
    // Anything may stand in the name of a program, parentheses as well.
    let (_name, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(FIELDS_BEFORE);
    let mut field = || fields.next()?.parse::<u32>().ok();
    let (own, of_kernel) = (field()?, field()?);
    own.checked_add(of_kernel)
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::{processor_time, ticks};

    #[test]
    fn both_times_are_counted_whatever_the_program_is_called() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 20 3 99 99";
        assert_eq!(ticks(&format!("12 (a) b) {fields}")), Some(23));
        assert_eq!(ticks("12 (a) S 1 2"), None);
        assert_eq!(ticks("12"), None);
    }

    #[test]
    fn our_own_time_can_be_read() {
        assert!(processor_time(process::id()).is_ok());
    }
}
