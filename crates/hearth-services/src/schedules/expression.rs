//! Schedule expressions: `at(…)`, `rate(…)` and `cron(…)`.

use jiff::civil::DateTime;

use super::cron::Cron;

/// Whose expressions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Those of rules: no `at`, and the unit of a rate agrees with its value.
    Rule,
    /// Those of EventBridge Scheduler.
    Scheduler,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Once, when the clock on the wall shows this.
    At(DateTime),
    /// Again and again after a time.
    Rate {
        /// That time.
        period_ms: u64,
    },
    /// When the clock on the wall shows one of these.
    Cron(Cron),
}

impl Expression {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str, grammar: Grammar) -> Option<Self> {
        let inner = text.strip_suffix(')')?;
        if let Some(rate) = inner.strip_prefix("rate(") {
            return parse_rate(rate, grammar);
        }
        if let Some(fields) = inner.strip_prefix("cron(") {
            return Cron::parse(fields).map(Self::Cron);
        }
        match grammar {
            Grammar::Rule => None,
            Grammar::Scheduler => inner.strip_prefix("at(").and_then(parse_at).map(Self::At),
        }
    }

    /// Whether it is over after the first time.
    #[must_use]
    pub fn is_once(&self) -> bool {
        matches!(self, Self::At(_))
    }
}

fn parse_rate(text: &str, grammar: Grammar) -> Option<Expression> {
    let (value, unit) = text.split_once(' ')?;
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = value.parse::<u32>().ok().filter(|value| *value > 0)?;
    let (minutes, is_singular) = match unit {
        "minute" => (1, true),
        "minutes" => (1, false),
        "hour" => (60, true),
        "hours" => (60, false),
        "day" => (24 * 60, true),
        "days" => (24 * 60, false),
        _ => return None,
    };
    let agrees = match grammar {
        Grammar::Rule => is_singular == (value == 1),
        // AWS documents its units in the plural only, and takes the singular as well.
        Grammar::Scheduler => true,
    };
    let period_ms = u64::from(value) * minutes * 60_000;
    agrees.then_some(Expression::Rate { period_ms })
}

/// `2026-11-23T03:20:35`, and nothing else.
fn parse_at(text: &str) -> Option<DateTime> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    if !fits {
        return None;
    }
    let two = |from: usize| text.get(from..from + 2).and_then(|digits| digits.parse::<i8>().ok());
    let year = text.get(..4)?.parse::<i16>().ok()?;
    DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(text: &str, grammar: Grammar) -> Option<u64> {
        match Expression::parse(text, grammar)? {
            Expression::Rate { period_ms } => Some(period_ms / 60_000),
            Expression::At(_) | Expression::Cron(_) => None,
        }
    }

    #[test]
    fn rates_are_whole_numbers_of_minutes_hours_or_days() {
        #[rustfmt::skip]
        let rows = [
            // Expression          a rule    Scheduler
            ("rate(1 minute)",     Some(1),     Some(1)),
            ("rate(5 minutes)",    Some(5),     Some(5)),
            ("rate(1 hour)",       Some(60),    Some(60)),
            ("rate(12 hours)",     Some(720),   Some(720)),
            ("rate(1 day)",        Some(1_440), Some(1_440)),
            ("rate(7 days)",       Some(10_080), Some(10_080)),
            ("rate(1 hours)",      None,        Some(60)),
            ("rate(5 minute)",     None,        Some(5)),
            ("rate(0 minutes)",    None,        None),
            ("rate(-10 minutes)",  None,        None),
            ("rate(+1 minute)",    None,        None),
            ("rate(1.5 hours)",    None,        None),
            ("rate(10 seconds)",   None,        None),
            ("rate(10 years)",     None,        None),
            ("rate(10 minutess)",  None,        None),
            ("rate(10)",           None,        None),
            ("rate( minutes)",     None,        None),
            ("rate(foo minutes)",  None,        None),
            ("rate()",             None,        None),
            ("rate( 10 minutes )", None,        None),
            (" rate(10 minutes)",  None,        None),
            ("rate(10  minutes)",  None,        None),
            ("RATE(10 minutes)",   None,        None),
            ("rate(99999999999 days)", None,    None),
        ];
        for (text, rule, scheduler) in rows {
            assert_eq!(minutes(text, Grammar::Rule), rule, "{text} of a rule");
            assert_eq!(minutes(text, Grammar::Scheduler), scheduler, "{text} of Scheduler");
        }
    }

    #[test]
    fn a_time_is_written_in_one_way() {
        #[rustfmt::skip]
        let rows = [
            ("at(2022-11-20T13:00:00)",  true),
            ("at(2024-02-29T00:00:00)",  true),
            ("at(2023-02-29T00:00:00)",  false),
            ("at(2023-02-31T00:00:00)",  false),
            ("at(2023-13-01T00:00:00)",  false),
            ("at(2023-01-01T24:00:00)",  false),
            ("at(2021-12-31T23:59:59Z)", false),
            ("at(2021-12-31)",           false),
            ("at(2021-12-31 23:59:59)",  false),
            ("at(2021-1-31T23:59:59)",   false),
            ("at(+021-01-31T23:59:59)",  false),
            ("at()",                     false),
            ("at(2021-12-31T23:59:5é)",  false),
        ];
        for (text, expected) in rows {
            let found = Expression::parse(text, Grammar::Scheduler);
            assert_eq!(found.as_ref().is_some_and(Expression::is_once), expected, "{text}");
            assert_eq!(Expression::parse(text, Grammar::Rule), None, "{text} of a rule");
        }
    }
}
