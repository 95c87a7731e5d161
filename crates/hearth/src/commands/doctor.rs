//! `hearth doctor`: what this host can and cannot enforce, and what it can run.
//!
//! It only looks: nothing on the host is changed, and no server is needed.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use hearth_isolation::host::{Host, Weakness, examine};
use hearth_runtimes::{Candidate, Runtimes, candidates};
use serde_json::{Value, json};

use super::{DataDirArgs, runtime};
use crate::ui;

/// Say what this host can and cannot enforce
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Exit codes: 0 nothing is missing; 1 something is, and the report says what to do about it.")]
pub(crate) struct DoctorArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Prints the report.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let directory = args.data_dir.runtimes_directory()?;
    let report = Report::make(&directory);
    let text = if args.json {
        serde_json::to_string_pretty(&report.json())
            .context("could not put the report into JSON")?
    } else {
        report.text()
    };
    ui::out(&text)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that was looked at.
struct Report {
    host: Host,
    /// What is installed, or why that is not known.
    installed: Result<Vec<String>, String>,
    addable: Vec<Candidate>,
}

impl Report {
    fn make(directory: &Path) -> Report {
        let host = examine();
        if !directory.is_dir() {
            // To open the directory would make it, and a doctor changes nothing.
            return Report { host, installed: Ok(Vec::new()), addable: candidates() };
        }
        match runtime::open(directory) {
            Ok(runtimes) => Report {
                host,
                installed: Ok(described(&runtimes)),
                addable: runtime::addable(&runtimes),
            },
            Err(error) => {
                Report { host, installed: Err(format!("{error:#}")), addable: candidates() }
            }
        }
    }

    fn is_good(&self) -> bool {
        self.host.weaknesses.is_empty() && self.installed.is_ok()
    }

    fn text(&self) -> String {
        let mut lines = vec!["This host:".to_owned(), self.findings()];
        if self.host.weaknesses.is_empty() {
            lines.push("Everything that Hearth promises can be enforced here.".to_owned());
        } else {
            lines.push("What cannot be enforced, and what to do about it:".to_owned());
        }
        for weakness in &self.host.weaknesses {
            lines.push(format!("  - {weakness}"));
            lines.push(format!("    Next step: {}.", next_step(*weakness)));
        }
        lines.push("Runtimes that are installed:".to_owned());
        match &self.installed {
            Ok(installed) => {
                lines.push("  provided.al2023, provided.al2 (built in)".to_owned());
                lines.extend(installed.iter().map(|runtime| format!("  {runtime}")));
            }
            Err(why) => lines.push(format!("  not known: {why}")),
        }
        if self.addable.is_empty() {
            lines.push(
                "No interpreter was found for which another runtime could be added.".to_owned(),
            );
        } else {
            lines.push("Runtimes that can be added:".to_owned());
            lines.push(runtime::candidate_table(&self.addable));
        }
        lines.join("\n")
    }

    fn findings(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .host
            .findings
            .iter()
            .map(|finding| {
                let mark = if finding.good { "  ok" } else { "  WEAK" };
                vec![mark.to_owned(), finding.subject.to_owned(), finding.found.clone()]
            })
            .collect();
        ui::table(&rows)
    }

    fn json(&self) -> Value {
        let findings = self.host.findings.iter().map(|finding| {
            json!({"subject": finding.subject, "found": finding.found, "good": finding.good})
        });
        let weaknesses = self.host.weaknesses.iter().map(|weakness| {
            json!({
                "what": weakness.to_string(),
                "bearable": weakness.is_bearable(),
                "nextStep": next_step(*weakness),
            })
        });
        let addable = self.addable.iter().map(|candidate| {
            json!({
                "name": candidate.name,
                "version": candidate.version,
                "prefix": candidate.prefix.display().to_string(),
            })
        });
        json!({
            "good": self.is_good(),
            "findings": findings.collect::<Vec<_>>(),
            "weaknesses": weaknesses.collect::<Vec<_>>(),
            "installed": self.installed.as_ref().ok(),
            "installedError": self.installed.as_ref().err(),
            "addable": addable.collect::<Vec<_>>(),
        })
    }
}

/// The runtimes that somebody added; the built-in ones need no word.
fn described(runtimes: &Runtimes) -> Vec<String> {
    let added = runtimes.installed().into_iter();
    let added = added.filter(|runtime| runtime.manifest.family != "provided");
    added.map(|runtime| runtime::described(&runtime)).collect()
}

/// What somebody can do about a weakness.
fn next_step(weakness: Weakness) -> &'static str {
    match weakness {
        Weakness::NoMemoryLimit
        | Weakness::NoCpuLimit
        | Weakness::NoProcessLimit
        | Weakness::NoFreezer => {
            "run `hearth serve` as root, or in a cgroup of your own: \
             `systemd-run --user --scope -p Delegate=yes hearth serve`"
        }
        Weakness::ScratchInMemory => {
            "run as root where /dev/loop-control is, with e2fsprogs installed; or give functions \
             more memory for what they write to /tmp"
        }
        Weakness::NoNamespaces => {
            "run as root, or allow them: `sysctl user.max_user_namespaces=15000` and, on Debian, \
             `sysctl kernel.unprivileged_userns_clone=1`; Hearth does not run functions without"
        }
        Weakness::NoSeccomp => {
            "use a kernel with CONFIG_SECCOMP_FILTER; Hearth does not run functions without"
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_isolation::host::Finding;

    use super::*;

    fn report(weaknesses: Vec<Weakness>) -> Report {
        let finding = |subject, good| Finding { subject, found: "works".to_owned(), good };
        let host = Host {
            hierarchies: Default::default(),
            scratch_on_disk: true,
            weaknesses,
            findings: vec![finding("namespaces", true), finding("freezer", false)],
        };
        Report { host, installed: Ok(vec!["python3.11".to_owned()]), addable: Vec::new() }
    }

    #[test]
    fn a_weakness_is_told_with_its_next_step_and_makes_the_host_not_good() {
        let report = report(vec![Weakness::NoFreezer]);
        assert!(!report.is_good());
        let text = report.text();
        assert!(
            text.contains("\n  ok    namespaces  works\n  WEAK  freezer     works\n"),
            "{text}"
        );
        assert!(text.contains("Next step: run `hearth serve` as root"), "{text}");
        assert_eq!(report.json()["good"], false);
        assert_eq!(report.json()["weaknesses"][0]["bearable"], true);
    }

    #[test]
    fn a_host_without_weakness_is_good() {
        let report = report(Vec::new());
        assert!(report.is_good());
        assert!(report.text().contains("Everything that Hearth promises can be enforced here."));
    }
}
