//! What a caller may ask for, and the rules about it that are not in AWS's model.
//!
//! The front door checks the model's constraints (lengths, patterns, ranges) before anything comes
//! here. What is left are rules that depend on other values, on the kind of function, or on this
//! host. All of it is pure.

use std::collections::BTreeMap;

use hearth_runtimes::Runtimes;
use hearth_types::function::RESERVED_VARIABLES;
use hearth_types::limits;
use hearth_types::names::FunctionName;

use crate::error::ControlError;
use crate::record::Configuration;

/// What a caller gave. What is absent stays as it is, or takes its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The runtime's name.
    pub runtime: Option<String>,
    /// The ARN of the role.
    pub role: Option<String>,
    /// The handler.
    pub handler: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How long it may run.
    pub timeout_seconds: Option<u32>,
    /// How much memory it has.
    pub memory_mb: Option<u32>,
    /// The size of `/tmp`.
    pub ephemeral_storage_mb: Option<u32>,
    /// Its environment variables.
    pub variables: Option<BTreeMap<String, String>>,
    /// What it was built for.
    pub architecture: Option<String>,
    /// Where it logs.
    pub log_group: Option<String>,
}

/// Runtimes that AWS does not take for new functions any more, as recorded.
const RETIRED_RUNTIMES: &[&str] = &[
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

impl Settings {
    /// The configuration of a new function.
    ///
    /// # Errors
    ///
    /// If something that must be given is not, or a rule is broken.
    pub fn create(
        self,
        name: &FunctionName,
        runtimes: &Runtimes,
    ) -> Result<Configuration, ControlError> {
        let required = |value: Option<String>, what: &str| {
            value.ok_or_else(|| {
                ControlError::InvalidParameter(format!(
                    "{what} is mandatory for functions created with deployment packages."
                ))
            })
        };
        let configuration = Configuration {
            runtime: required(self.runtime, "Runtime")?,
            role: self.role.unwrap_or_default(),
            handler: required(self.handler, "Handler")?,
            description: self.description.unwrap_or_default(),
            timeout_seconds: self.timeout_seconds.unwrap_or(3),
            memory_mb: self.memory_mb.unwrap_or(limits::MEMORY_MB_MIN),
            ephemeral_storage_mb: self
                .ephemeral_storage_mb
                .unwrap_or(limits::EPHEMERAL_STORAGE_MB_MIN),
            variables: self.variables,
            architecture: self.architecture.unwrap_or_else(|| "x86_64".to_owned()),
            log_group: self.log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
        };
        check(&configuration, runtimes)?;
        Ok(configuration)
    }

    /// The configuration of a function that is changed.
    ///
    /// # Errors
    ///
    /// If a rule is broken.
    pub fn update(
        self,
        old: &Configuration,
        runtimes: &Runtimes,
    ) -> Result<Configuration, ControlError> {
        let mut new = old.clone();
        replace(&mut new.runtime, self.runtime);
        replace(&mut new.role, self.role);
        replace(&mut new.handler, self.handler);
        replace(&mut new.description, self.description);
        replace(&mut new.timeout_seconds, self.timeout_seconds);
        replace(&mut new.memory_mb, self.memory_mb);
        replace(&mut new.ephemeral_storage_mb, self.ephemeral_storage_mb);
        replace(&mut new.architecture, self.architecture);
        replace(&mut new.log_group, self.log_group);
        if self.variables.is_some() {
            new.variables = self.variables;
        }
        check(&new, runtimes)?;
        Ok(new)
    }
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}

fn check(configuration: &Configuration, runtimes: &Runtimes) -> Result<(), ControlError> {
    check_runtime(&configuration.runtime, runtimes)?;
    check_architecture(&configuration.architecture)?;
    check_ranges(configuration)?;
    configuration.variables.as_ref().map_or(Ok(()), check_variables)
}

fn check_runtime(name: &str, runtimes: &Runtimes) -> Result<(), ControlError> {
    if RETIRED_RUNTIMES.contains(&name) {
        return Err(ControlError::InvalidParameter(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if runtimes.get(name).is_none() {
        return Err(ControlError::InvalidParameter(runtimes.missing_message(name)));
    }
    Ok(())
}

fn check_architecture(asked: &str) -> Result<(), ControlError> {
    let here = if cfg!(target_arch = "x86_64") { "x86_64" } else { "arm64" };
    if asked == here {
        return Ok(());
    }
    Err(ControlError::InvalidParameter(format!(
        "This host runs {here} functions; {asked} is not available on it. Build the function for {here} and pass Architectures=[{here}]."
    )))
}

fn check_ranges(configuration: &Configuration) -> Result<(), ControlError> {
    #[rustfmt::skip]
    let rows = [
        ("MemorySize", configuration.memory_mb, limits::MEMORY_MB_MIN, limits::MEMORY_MB_MAX),
        ("Timeout", configuration.timeout_seconds, 1, limits::TIMEOUT_SECONDS_MAX),
        ("EphemeralStorage.Size", configuration.ephemeral_storage_mb, limits::EPHEMERAL_STORAGE_MB_MIN, limits::EPHEMERAL_STORAGE_MB_MAX),
    ];
    // The model's own ranges are wider: they are those of managed instances.
    for (name, value, least, most) in rows {
        if value < least || value > most {
            return Err(ControlError::InvalidParameter(format!(
                "'{name}' value failed to satisfy constraint: Member must have value between {least} and {most}"
            )));
        }
    }
    Ok(())
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), ControlError> {
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(ControlError::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).expect("strings can be written as JSON");
    if measured.len() > limits::ENVIRONMENT_BYTES_MAX {
        return Err(ControlError::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    if variables.values().any(|value| value.contains('\0')) {
        return Err(ControlError::InvalidParameter(
            "Environment variables cannot contain the character NUL.".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses tags that AWS refuses.
///
/// # Errors
///
/// If there are too many, or a key is reserved.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ControlError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(ControlError::InvalidParameter(
            "Number of tags exceeds resource tag limit.".to_owned(),
        ));
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(ControlError::InvalidParameter(
            "Tag keys that begin with 'aws:' are reserved.".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Settings {
        Settings {
            runtime: Some("provided.al2023".into()),
            handler: Some("bootstrap".into()),
            ..Settings::default()
        }
    }

    fn create(settings: Settings) -> Result<Configuration, String> {
        let directory = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
        let name = FunctionName::parse("hello").unwrap();
        settings.create(&name, &runtimes).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_aws() {
        let made = create(given()).unwrap();
        assert_eq!((made.memory_mb, made.timeout_seconds), (128, 3));
        assert_eq!(made.ephemeral_storage_mb, 512);
        assert_eq!(made.architecture, "x86_64");
        assert_eq!(made.log_group, "/aws/lambda/hello");
        assert_eq!(made.variables, None);
    }

    #[test]
    fn each_rule_refuses_and_says_why() {
        let variables = |name: &str, value: &str| Settings {
            variables: Some(BTreeMap::from([(name.to_owned(), value.to_owned())])),
            ..given()
        };
        #[rustfmt::skip]
        let rows = [
            ("no runtime",     Settings { runtime: None, ..given() },                      "Runtime is mandatory"),
            ("retired",        Settings { runtime: Some("go1.x".into()), ..given() },      "The runtime parameter of go1.x is no longer supported"),
            ("not installed",  Settings { runtime: Some("ruby3.4".into()), ..given() },    "ruby3.4"),
            ("too much",       Settings { memory_mb: Some(20_000), ..given() },            "between 128 and 10240"),
            ("too long",       Settings { timeout_seconds: Some(901), ..given() },         "between 1 and 900"),
            ("other machine",  Settings { architecture: Some("arm64".into()), ..given() }, "This host runs x86_64"),
            ("reserved",       variables("AWS_REGION", "x"),                               "Reserved keys used in this request: AWS_REGION"),
            ("too many bytes", variables("AB", &"x".repeat(4_096)),                        "exceeded the 4KB limit"),
        ];
        for (name, settings, expected) in rows {
            let refused = create(settings).unwrap_err();
            assert!(refused.contains(expected), "{name}: {refused}");
        }
    }

    #[test]
    fn an_update_changes_only_what_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
        let old = create(given()).unwrap();
        let change = Settings { memory_mb: Some(512), ..Settings::default() };
        let new = change.update(&old, &runtimes).unwrap();
        assert_eq!(new, Configuration { memory_mb: 512, ..old });
    }
}
