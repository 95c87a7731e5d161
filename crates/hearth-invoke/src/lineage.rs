//! Recursion detection: how often a function has run in one chain of invocations.
//!
//! The chain is carried by the trace header, which AWS's SDKs pass on: what a function sends with
//! one brings the header that it was invoked with, through queues and topics as well.
//!
//! ```text
//!  Root=1-…;Parent=…;Sampled=0;Lineage=43e12f0f:5|a87bd80c:0
//!                                      │        │ the same of another function
//!                                      │        how often it has run before in this chain
//!                                      stands for the function
//! ```
//!
//! # Promises
//!
//! 1. Everything in the header but the function's own count stays as it is, lineages of others
//!    included.
//! 2. A header that cannot be understood is no reason to refuse anything.
//!
//! # Deliberately absent
//!
//! Whether a loop is stopped: that is for whoever invokes.

use hearth_types::names::FunctionArn;

/// What the part of the header begins with.
const LINEAGE: &str = "Lineage=";
/// How many functions a lineage may name: a header must not grow without end. The oldest go first.
const FUNCTIONS_MAX: usize = 32;

/// The header of one more invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// What the function sees.
    pub trace: String,
    /// How often it has run before in this chain.
    pub ran_before: u32,
}

/// What a function sees that is invoked with this header.
#[must_use]
pub fn enter(trace: &str, function: &FunctionArn) -> Lineage {
    let own = hash(function);
    let mut parts: Vec<&str> = trace.split(';').filter(|part| !part.is_empty()).collect();
    let at = parts.iter().position(|part| part.starts_with(LINEAGE));
    let before = at.map_or("", |at| parts.remove(at)).trim_start_matches(LINEAGE);
    let mut ran_before = 0;
    let mut entries: Vec<String> = Vec::new();
    for entry in before.split('|').filter(|entry| !entry.is_empty()) {
        match count_of(entry, &own) {
            Some(count) => ran_before = count.saturating_add(1).max(ran_before),
            None => entries.push(entry.to_owned()),
        }
    }
    let dropped = entries.len().saturating_sub(FUNCTIONS_MAX - 1);
    entries.drain(..dropped);
    entries.push(format!("{own}:{ran_before}"));
    let mut trace = parts.join(";");
    if !trace.is_empty() {
        trace.push(';');
    }
    trace.push_str(LINEAGE);
    trace.push_str(&entries.join("|"));
    Lineage { trace, ran_before }
}

/// The count of an entry, if it is this function's. Newer ones have a number before the hash.
fn count_of(entry: &str, own: &str) -> Option<u32> {
    let (name, count) = entry.rsplit_once(':')?;
    let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
    if name == own { count.parse().ok() } else { None }
}

/// Eight digits that stand for a function: FNV-1a of its ARN, which is the same at every start.
fn hash(function: &FunctionArn) -> String {
    let hash = function
        .to_string()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, FunctionName, Region, Scope};

    use super::*;

    fn function(name: &str) -> FunctionArn {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        FunctionArn { scope, name: FunctionName::parse(name).unwrap() }
    }

    #[test]
    fn each_invocation_adds_one_to_its_own_count() {
        let f = function("f");
        let (own, other) = (hash(&f), hash(&function("g")));
        #[rustfmt::skip]
        let rows = [
            ("no lineage yet",       "Root=1-2-3;Sampled=0".to_owned(),                format!("Root=1-2-3;Sampled=0;Lineage={own}:0"), 0),
            ("nothing at all",       String::new(),                                    format!("Lineage={own}:0"), 0),
            ("ran once",             format!("Root=1;Lineage={own}:0"),                format!("Root=1;Lineage={own}:1"), 1),
            ("in the middle",        format!("Root=1;Lineage={own}:4;Sampled=1"),      format!("Root=1;Sampled=1;Lineage={own}:5"), 5),
            ("another function's",   format!("Root=1;Lineage={other}:7"),              format!("Root=1;Lineage={other}:7|{own}:0"), 0),
            ("several",              format!("Root=1;Lineage={own}:2|{other}:7"),      format!("Root=1;Lineage={other}:7|{own}:3"), 3),
            ("with a number before", format!("Root=1;Lineage=1:{own}:2"),              format!("Root=1;Lineage={own}:3"), 3),
            ("twice",                format!("Lineage={own}:9|{own}:2"),               format!("Lineage={own}:10"), 10),
            ("not a count",          format!("Lineage={own}:many"),                    format!("Lineage={own}:many|{own}:0"), 0),
            ("not a lineage",        "Lineage=?;;Root".to_owned(),                     format!("Root;Lineage=?|{own}:0"), 0),
            ("as high as can be",    format!("Lineage={own}:4294967295"),              format!("Lineage={own}:4294967295"), u32::MAX),
        ];
        for (name, trace, expected, ran_before) in rows {
            let entered = enter(&trace, &f);
            assert_eq!(entered, Lineage { trace: expected, ran_before }, "{name}");
        }
    }

    #[test]
    fn a_chain_of_many_functions_does_not_grow_without_end() {
        let mut trace = "Root=1".to_owned();
        for number in 0..100 {
            trace = enter(&trace, &function(&format!("f{number}"))).trace;
        }
        assert_eq!(trace.split('|').count(), FUNCTIONS_MAX);
        assert_eq!(enter(&trace, &function("f99")).ran_before, 1);
    }
}
