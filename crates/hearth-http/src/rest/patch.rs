//! Patch operations: how API Gateway's Update operations say what is to be changed.
//!
//! A patch has an operation, a path such as `/variables/color`, and perhaps a value. In a path `~1`
//! stands for a slash and `~0` for a tilde.

use super::error::RestError;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Something is set, or put into a list.
    Add,
    /// Something is set.
    Replace,
    /// Something is unset, or taken out of a list.
    Remove,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What is to be done.
    pub op: Op,
    /// With what: the parts of the path, decoded.
    pub path: Vec<String>,
    /// The path as it was given.
    pub written: String,
    /// The value.
    pub value: Option<String>,
}

/// A patch as it was given: operation, path, value.
pub type Given = (Option<String>, Option<String>, Option<String>);

impl Op {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// Reads patches.
///
/// # Errors
///
/// If one of them is none, or does something that is not built.
pub fn read(given: Vec<Given>) -> Result<Vec<Patch>, RestError> {
    given.into_iter().map(read_one).collect()
}

fn read_one((op, path, value): Given) -> Result<Patch, RestError> {
    let op = match op.as_deref() {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        Some(other @ ("copy" | "move" | "test")) => {
            return Err(RestError::not_built(format!("the patch operation {other}")));
        }
        Some(_) | None => return Err(RestError::invalid("Invalid patch operation specified")),
    };
    let written = path.unwrap_or_default();
    let Some(parts) = written.strip_prefix('/') else {
        return Err(RestError::invalid(format!("Invalid patch path {written}")));
    };
    let decoded = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let path = parts.split('/').map(decoded).collect();
    Ok(Patch { op, path, written, value })
}

impl Patch {
    /// The parts of the path, for matching.
    #[must_use]
    pub fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The value to be set, or `None` if something is unset. An empty text unsets.
    #[must_use]
    pub fn optional(&self) -> Option<String> {
        match self.op {
            Op::Add | Op::Replace => self.value.clone().filter(|value| !value.is_empty()),
            Op::Remove => None,
        }
    }

    /// The value to be set.
    ///
    /// # Errors
    ///
    /// If there is none, or something is to be unset.
    pub fn required(&self) -> Result<String, RestError> {
        match self.op {
            Op::Add | Op::Replace => self.value.clone().ok_or_else(|| {
                RestError::invalid(format!(
                    "Patch operation {} on {} requires a value",
                    self.op.name(),
                    self.written
                ))
            }),
            Op::Remove => Err(self.refused(&[])),
        }
    }

    /// The value to be set, as true or false.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn flag(&self) -> Result<bool, RestError> {
        match self.required()?.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.bad_value()),
        }
    }

    /// The value to be set, as a number or something else that has a form.
    ///
    /// # Errors
    ///
    /// If it has another form.
    pub fn parsed<T: std::str::FromStr>(&self) -> Result<T, RestError> {
        self.required()?.parse().map_err(|_not| self.bad_value())
    }

    /// The value is none that may be there.
    #[must_use]
    pub fn bad_value(&self) -> RestError {
        let value = self.value.as_deref().unwrap_or_default();
        RestError::invalid(format!("Invalid value {value} specified for {}", self.written))
    }

    /// What is named by the path cannot be changed so.
    #[must_use]
    pub fn refused(&self, known: &[&str]) -> RestError {
        // Recorded: two spaces behind `path`.
        RestError::invalid(format!(
            "Invalid patch path  '{}' specified for op '{}'. Must be one of: [{}]",
            self.written,
            self.op.name(),
            known.join(", ")
        ))
    }
}

/// Sets or unsets one entry of a map.
pub(super) fn entry(
    map: &mut std::collections::BTreeMap<String, String>,
    name: &str,
    patch: &Patch,
) -> Result<(), RestError> {
    match patch.op {
        Op::Add | Op::Replace => {
            map.insert(name.to_owned(), patch.required()?);
        }
        Op::Remove => {
            map.remove(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(op: &str, path: &str, value: &str) -> Given {
        let value = (!value.is_empty()).then(|| value.to_owned());
        (Some(op.to_owned()), Some(path.to_owned()), value)
    }

    #[test]
    fn paths_are_decoded() {
        let patches = read(vec![
            given("add", "/binaryMediaTypes/image~1png", ""),
            given("replace", "/~1pets~1{id}/GET/throttling/rateLimit", "5"),
            given("remove", "/variables/a~0b", ""),
        ]);
        let patches = patches.unwrap();
        let paths: Vec<Vec<&str>> = patches.iter().map(Patch::parts).collect();
        assert_eq!(paths[0], ["binaryMediaTypes", "image/png"]);
        assert_eq!(paths[1], ["/pets/{id}", "GET", "throttling", "rateLimit"]);
        assert_eq!(paths[2], ["variables", "a~b"]);
        assert_eq!(patches[1].parsed::<f64>().unwrap().to_bits(), 5.0_f64.to_bits());
        assert!(patches[1].flag().is_err());
        assert!(patches[2].required().is_err());
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        #[rustfmt::skip]
        let rows = [
            (given("put", "/name", "a"),     "Invalid patch operation specified"),
            (given("add", "name", "a"),      "Invalid patch path name"),
            (given("copy", "/name", "a"),    "Hearth does not support the patch operation copy yet; leave it out."),
            ((None, None, None),             "Invalid patch operation specified"),
        ];
        for (given, text) in rows {
            assert_eq!(read(vec![given]).unwrap_err().to_string(), text);
        }
        let patch = read(vec![given("add", "/nothing", "a")]).unwrap().remove(0);
        assert_eq!(
            patch.refused(&["/name"]).to_string(),
            "Invalid patch path  '/nothing' specified for op 'add'. Must be one of: [/name]"
        );
    }
}
