//! Points in time as AWS's protocols write them: seconds since 1970, or an ISO 8601 text in UTC.

/// The seconds since 1970 that a text stands for, or `None` if it is neither form.
pub fn parse(text: &str) -> Option<f64> {
    if text.contains('T') {
        parse_iso(text)
    } else {
        text.parse().ok().filter(|n: &f64| n.is_finite())
    }
}

/// Reads `2026-11-23T03:20:35Z`, with or without a fraction of the second.
fn parse_iso(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(whole);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (whole(time.next()?)?, whole(time.next()?)?);
    let second: f64 = time.next()?.parse().ok()?;
    let in_range = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..61.0).contains(&second);
    if !in_range {
        return None;
    }
    let days = f64::from(days_since_1970(year, month, day));
    Some(days * 86_400.0 + f64::from(hour * 3600 + minute * 60) + second)
}

fn whole(digits: &str) -> Option<i32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Days in the Gregorian calendar. The year is taken to begin in March, so that the leap day is
/// its last day and the lengths of the months before it follow one formula.
fn days_since_1970(year: i32, month: i32, day: i32) -> i32 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 1 March of the year 0 is 719,468 days before 1 January 1970.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        #[rustfmt::skip]
        let rows = [
            ("0",                          Some(0.0)),
            ("1700000000.5",               Some(1_700_000_000.5)),
            ("1970-01-01T00:00:00Z",       Some(0.0)),
            ("2000-02-29T00:00:00Z",       Some(951_782_400.0)),
            ("2023-11-14T22:13:20Z",       Some(1_700_000_000.0)),
            ("2023-11-14T22:13:20.500Z",   Some(1_700_000_000.5)),
            ("2023-13-14T22:13:20Z",       None),
            ("2023-11-14T22:13:20",        None),
            ("yesterday",                  None),
            ("NaN",                        None),
            ("",                           None),
        ];
        for (text, seconds) in rows {
            assert_eq!(parse(text), seconds, "{text}");
        }
    }
}
