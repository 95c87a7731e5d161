//! Errors as the log has them.

use std::error::Error;

/// An error with everything that led to it, in a line.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn an_error_is_told_with_what_led_to_it() {
        let outer = Outer("it could not be read", io::Error::other("no such file"));
        assert_eq!(causes(&outer), "it could not be read: no such file");
        assert_eq!(causes(&io::Error::other("alone")), "alone");
    }
}
