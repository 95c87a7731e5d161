//! What a caller may ask for, and the rules about it that are not in AWS's model.
//!
//! The front door checks the model's constraints (lengths, patterns, ranges) before anything comes
//! here. What is left are rules that depend on other values, on the kind of function, or on this
//! host. All of it is pure.

mod rules;

use std::collections::BTreeMap;

use hearth_runtimes::Runtimes;
use hearth_types::limits;
use hearth_types::names::FunctionName;

use crate::error::ControlError;
use crate::layer::LayerReference;
use crate::record::{Configuration, FileSystem, Image, LogFormat, SnapStart, Tracing, Vpc};

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
    /// Where and how it logs.
    pub logging: Logging,
    /// The ARNs of its layers.
    pub layers: Option<Vec<String>>,
    /// Where failed events go; an empty text takes it away.
    pub dead_letter_arn: Option<String>,
    /// Its network; empty lists take it away.
    pub vpc: Option<Vpc>,
    /// File systems to be mounted.
    pub file_systems: Option<Vec<FileSystem>>,
    /// Whether its invocations are traced.
    pub tracing: Option<Tracing>,
    /// Whether versions start from a snapshot.
    pub snap_start: Option<SnapStart>,
    /// The key for its variables; an empty text takes it away.
    pub kms_key_arn: Option<String>,
    /// How its image is started. An empty one takes away what was set before.
    pub image_config: Option<ImageConfig>,
}

/// Where and how a function logs, as far as it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    /// The log group.
    pub group: Option<String>,
    /// `JSON` or `Text`.
    pub format: Option<String>,
    /// Of what the function says.
    pub application_level: Option<String>,
    /// Of what the platform says.
    pub system_level: Option<String>,
}

/// How an image is started, as far as it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// In place of the image's own.
    pub entry_point: Option<Vec<String>>,
    /// In place of the image's own.
    pub command: Option<Vec<String>>,
    /// In place of the image's own.
    pub working_directory: Option<String>,
}

/// What the rules have to know beside the settings themselves.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Which runtimes there are.
    pub runtimes: &'a Runtimes,
    /// The layers that the settings name, found.
    pub layers: Option<&'a [LayerReference]>,
}

impl Settings {
    /// The configuration of a new function. `image` is its code if it is one.
    ///
    /// # Errors
    ///
    /// If something that must be given is not, or a rule is broken.
    pub fn create(
        self,
        name: &FunctionName,
        image: Option<String>,
        context: Context<'_>,
    ) -> Result<Configuration, ControlError> {
        let is_image = image.is_some();
        let required = |value: Option<String>, what: &str| match value {
            Some(value) if !is_image => Ok(value),
            None if is_image => Ok(String::new()),
            Some(_) => refuse(format!(
                "Please don't provide {what} when the intended function PackageType is Image."
            )),
            None => refuse(format!(
                "{what} is mandatory for functions created with deployment packages."
            )),
        };
        let blank = Configuration {
            runtime: required(self.runtime.clone(), "Runtime")?,
            role: String::new(),
            handler: required(self.handler.clone(), "Handler")?,
            description: String::new(),
            timeout_seconds: 3,
            memory_mb: limits::MEMORY_MB_MIN,
            ephemeral_storage_mb: limits::EPHEMERAL_STORAGE_MB_MIN,
            variables: None,
            architecture: "x86_64".to_owned(),
            log_group: format!("/aws/lambda/{name}"),
            log_format: LogFormat::Text,
            layers: Vec::new(),
            dead_letter_arn: None,
            vpc: None,
            file_systems: Vec::new(),
            tracing: Tracing::default(),
            snap_start: SnapStart::default(),
            kms_key_arn: None,
            image: image.map(|uri| Image {
                uri,
                entry_point: None,
                command: None,
                working_directory: None,
            }),
        };
        self.update(&blank, context)
    }

    /// The configuration of a function that is changed.
    ///
    /// # Errors
    ///
    /// If a rule is broken.
    pub fn update(
        self,
        old: &Configuration,
        context: Context<'_>,
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
        replace(&mut new.file_systems, self.file_systems);
        replace(&mut new.tracing, self.tracing);
        replace(&mut new.snap_start, self.snap_start);
        replace(&mut new.layers, context.layers.map(<[LayerReference]>::to_vec));
        replace_or_clear(&mut new.dead_letter_arn, self.dead_letter_arn);
        replace_or_clear(&mut new.kms_key_arn, self.kms_key_arn);
        if self.variables.is_some() {
            new.variables = self.variables;
        }
        if self.vpc.is_some() {
            new.vpc = self.vpc;
        }
        new.log_format = self.logging.format_after(&new.log_format)?;
        replace(&mut new.log_group, self.logging.group);
        set_image_config(&mut new, self.image_config)?;
        rules::check(&new, context.runtimes)?;
        Ok(new)
    }
}

impl Logging {
    /// The format after this change. Levels belong to JSON only, and default to INFO.
    fn format_after(&self, old: &LogFormat) -> Result<LogFormat, ControlError> {
        let json = match self.format.as_deref() {
            Some(format) => format == "JSON",
            None => matches!(old, LogFormat::Json { .. }),
        };
        if !json {
            if self.application_level.is_some() || self.system_level.is_some() {
                return refuse(
                    "Log levels can only be set with LogFormat JSON. Set LogFormat to JSON, or leave ApplicationLogLevel and SystemLogLevel out.",
                );
            }
            return Ok(LogFormat::Text);
        }
        let (application, system) = match old {
            LogFormat::Json { application_level, system_level } => {
                (application_level.as_str(), system_level.as_str())
            }
            LogFormat::Text => ("INFO", "INFO"),
        };
        let level = |asked: &Option<String>, old: &str| asked.clone().unwrap_or_else(|| old.into());
        Ok(LogFormat::Json {
            application_level: level(&self.application_level, application),
            system_level: level(&self.system_level, system),
        })
    }
}

fn set_image_config(
    new: &mut Configuration,
    config: Option<ImageConfig>,
) -> Result<(), ControlError> {
    let Some(config) = config else { return Ok(()) };
    let Some(image) = new.image.as_mut() else {
        return refuse("ImageConfig can only be given for functions with the PackageType Image.");
    };
    image.entry_point = config.entry_point;
    image.command = config.command;
    image.working_directory = config.working_directory;
    Ok(())
}

/// A rule that is broken.
pub(crate) fn refuse<T>(message: impl Into<String>) -> Result<T, ControlError> {
    Err(ControlError::InvalidParameter(message.into()))
}

fn replace_or_clear(old: &mut Option<String>, new: Option<String>) {
    if let Some(new) = new {
        *old = (!new.is_empty()).then_some(new);
    }
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
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
        let context = Context { runtimes: &runtimes, layers: None };
        settings.create(&name, None, context).map_err(|error| error.to_string())
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
            ("dead letters",   Settings { dead_letter_arn: Some("arn:aws:s3:::b".into()), ..given() }, "dead letter target"),
            ("half a network", Settings { vpc: Some(Vpc { subnets: vec!["subnet-1".into()], ..Vpc::default() }), ..given() }, "SubnetIds and SecurityIds must coexist"),
            ("no network",     Settings { file_systems: Some(vec![FileSystem { arn: "a".into(), mount_path: "/mnt/a".into() }]), ..given() }, "Function must be configured to execute in a VPC"),
            ("no snapshots",   Settings { snap_start: Some(SnapStart::PublishedVersions), ..given() }, "provided.al2023 is not supported for SnapStart"),
            ("text levels",    Settings { logging: Logging { system_level: Some("INFO".into()), ..Logging::default() }, ..given() }, "LogFormat JSON"),
            ("no image",       Settings { image_config: Some(ImageConfig::default()), ..given() }, "PackageType Image"),
            ("too many bytes", variables("AB", &"x".repeat(4_096)),                        "exceeded the 4KB limit"),
        ];
        for (name, settings, expected) in rows {
            let refused = create(settings).unwrap_err();
            assert!(refused.contains(expected), "{name}: {refused}");
        }
    }

    #[test]
    fn an_image_has_neither_runtime_nor_handler() {
        let directory = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
        let name = FunctionName::parse("hello").unwrap();
        let create = |settings: Settings| {
            let context = Context { runtimes: &runtimes, layers: None };
            settings.create(&name, Some("image:1".into()), context)
        };
        let made = create(Settings::default()).unwrap();
        assert_eq!((made.runtime.as_str(), made.handler.as_str()), ("", ""));
        assert_eq!(made.image.map(|image| image.uri), Some("image:1".to_owned()));
        let refused = create(given()).unwrap_err().to_string();
        assert!(refused.contains("Please don't provide Runtime"), "{refused}");
    }

    #[test]
    fn json_brings_levels_and_text_takes_them_away() {
        let logging = |format: Option<&str>, application: Option<&str>| Logging {
            format: format.map(str::to_owned),
            application_level: application.map(str::to_owned),
            ..Logging::default()
        };
        let json = |application: &str| LogFormat::Json {
            application_level: application.to_owned(),
            system_level: "INFO".to_owned(),
        };
        #[rustfmt::skip]
        let rows = [
            (LogFormat::Text, logging(Some("JSON"), None),          json("INFO")),
            (LogFormat::Text, logging(Some("JSON"), Some("DEBUG")), json("DEBUG")),
            (json("WARN"),    logging(None, None),                  json("WARN")),
            (json("WARN"),    logging(None, Some("DEBUG")),         json("DEBUG")),
            (json("WARN"),    logging(Some("Text"), None),          LogFormat::Text),
        ];
        for (old, change, expected) in rows {
            assert_eq!(change.format_after(&old).unwrap(), expected, "{old:?} {change:?}");
        }
    }

    #[test]
    fn an_update_changes_only_what_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
        let old = create(given()).unwrap();
        let change = Settings { memory_mb: Some(512), ..Settings::default() };
        let new = change.update(&old, Context { runtimes: &runtimes, layers: None }).unwrap();
        assert_eq!(new, Configuration { memory_mb: 512, ..old });
    }
}
