//! The commands: one module for each.
//!
//! A command has its arguments, whose help teaches by examples, and a `run`. The client commands
//! speak to a server as any AWS tool does, so they work with one on another machine as well.
//!
//! # Deliberately absent
//!
//! `serve` is not here: it is what everything else in this program is about.

pub(crate) mod quickstart;
pub(crate) mod deploy;
pub(crate) mod invoke;
pub(crate) mod logs;
pub(crate) mod functions;
pub(crate) mod events;
pub(crate) mod sources;
pub(crate) mod top;
pub(crate) mod runtime;
pub(crate) mod doctor;
pub(crate) mod config;

use std::env;
use std::path::PathBuf;

use crate::client::Client;
use crate::config::{Config, Flags, PORT};

/// The exit code of a command whose function ran and ended in an error.
pub(crate) const FUNCTION_ERROR: u8 = 3;

/// Which server a client command speaks to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EndpointArgs {
    /// Where Hearth listens (default: $HEARTH_ENDPOINT, else 127.0.0.1:4566)
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the function (default: $AWS_REGION, else $AWS_DEFAULT_REGION, else us-east-1)
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
    /// Account of the function (default: 000000000000)
    #[arg(long, global = true, value_name = "ACCOUNT")]
    account: Option<String>,
}

impl EndpointArgs {
    fn client(&self) -> anyhow::Result<Client> {
        let first = |given: &Option<String>, variables: &[&str], otherwise: &str| {
            let set = || variables.iter().find_map(|name| env::var(name).ok());
            given.clone().or_else(set).unwrap_or_else(|| otherwise.to_owned())
        };
        let here = format!("http://127.0.0.1:{PORT}");
        let endpoint = first(&self.endpoint, &["HEARTH_ENDPOINT"], &here);
        let region = first(&self.region, &["AWS_REGION", "AWS_DEFAULT_REGION"], "us-east-1");
        let account = first(&self.account, &[], "000000000000");
        Client::new(&endpoint, &account, &region)
    }
}

/// Which data directory a command on this machine works with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DataDirArgs {
    /// Data directory of the server (default: as configured for `hearth serve`)
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Configuration file of the server (default: as for `hearth serve`)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataDirArgs {
    /// Where the runtimes of that server are.
    fn runtimes_directory(&self) -> anyhow::Result<PathBuf> {
        let flags = Flags {
            data_dir: self.data_dir.clone(),
            config: self.config.clone(),
            ..Flags::default()
        };
        let (config, _origins) = Config::load(&flags)?;
        Ok(crate::serve::runtimes_directory(&config.data_dir))
    }
}
