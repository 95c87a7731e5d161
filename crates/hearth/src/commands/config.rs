//! `hearth config`: the configuration as the server would have it.

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{Config, Flags, SETTINGS, Setting};
use crate::ui;

/// Show the configuration and where each value came from
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth config show                                what `hearth serve` would use
  hearth config show --config ./hearth.toml         the same with a file
  hearth config keys                                every key, its variable and its meaning

Values come from defaults, then the file, then HEARTH_* variables, then flags; the last one wins.")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Clone, Subcommand)]
enum ConfigAction {
    /// Show each key, its value and where that came from
    Show(Flags),
    /// List every key, its variable and its meaning
    Keys,
}

/// Prints what was asked for.
pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let rows: Vec<Vec<String>> = match &args.action {
        ConfigAction::Show(flags) => {
            let (config, origins) = Config::load(flags)?;
            let row = |setting: &Setting| {
                let value = (setting.show)(&config);
                vec![setting.key.to_owned(), value, origins.of(setting).to_string()]
            };
            SETTINGS.iter().map(row).collect()
        }
        ConfigAction::Keys => {
            let row = |setting: &Setting| {
                vec![setting.key.to_owned(), setting.variable(), setting.about.to_owned()]
            };
            SETTINGS.iter().map(row).collect()
        }
    };
    ui::out(&ui::table(&rows))?;
    Ok(ExitCode::SUCCESS)
}
