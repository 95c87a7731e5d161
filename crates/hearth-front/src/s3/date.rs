//! Dates as HTTP has them: `Mon, 23 Nov 2026 03:20:35 GMT`.

use hearth_types::time::Timestamp;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time in whole seconds.
pub(super) fn http(at: Timestamp) -> String {
    // 1970-01-01 was the first of `DAYS`.
    let day = usize::try_from(at.0 / 86_400_000 % 7).ok().and_then(|day| DAYS.get(day));
    let iso = at.iso();
    let part = |from: usize, to: usize| iso.get(from..to).unwrap_or_default();
    let month: usize = part(5, 7).parse().unwrap_or_default();
    let month = MONTHS.get(month.wrapping_sub(1));
    let (day, month) = (day.unwrap_or(&""), month.unwrap_or(&""));
    format!("{day}, {} {month} {} {} GMT", part(8, 10), part(0, 4), part(11, 19))
}

/// The seconds since 1970, if the text is a date of this form.
pub(super) fn parse(text: &str) -> Option<u64> {
    let mut parts = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let iso = format!("{year:0>4}-{month:02}-{day}T{}Z", parts.next()?);
    let seconds = hearth_wire::timestamp::parse(&iso)?;
    let has_form = parts.eq(["GMT"]) && seconds >= 0.0;
    // Whole numbers up to the year 9999 are exact.
    has_form.then(|| format!("{seconds:.0}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back_as_themselves() {
        #[rustfmt::skip]
        let rows = [
            (0,                 "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_000,   "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_795_404_035_123, "Mon, 23 Nov 2026 03:20:35 GMT"),
        ];
        for (at, text) in rows {
            assert_eq!(http(Timestamp(at)), text);
            assert_eq!(parse(text), Some(at / 1_000));
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in ["", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
