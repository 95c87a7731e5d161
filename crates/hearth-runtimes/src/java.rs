//! Java: a JDK or JRE of this host, and AWS's client from Maven.
//!
//! # Waiting for a function
//!
//! A virtual machine that was started ahead of need runs the same command. Its main class is
//! `hearth.Entry`, which calls the client's. If it is to wait, `hearth.Waiting` loads before that
//! what every function needs, and takes care that nothing tells afterwards. They are compiled when
//! the runtime is added. Where there is no compiler, the client's main class is started, and no
//! machine waits. `java_archive.rs` makes the start itself short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::add::Build;
use crate::host::{Host, children, is_program};
use crate::run::run;
use crate::{Client, Manifest, RuntimeError, Warm, clients, java_archive};

/// A Java installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Java {
    /// `<home>/bin/java`.
    pub(crate) home: PathBuf,
    /// Such as `17.0.15`, or `1.8.0_402`.
    pub(crate) version: String,
}

/// How deep the files of a JDK are; its links are looked for that far.
const JDK_DEPTH: u32 = 5;

/// Puts a Java runtime together.
pub(crate) fn build(build: &Build<'_>, major: u32) -> Result<Manifest, RuntimeError> {
    let java = find(build.host, major, build.from)?;
    (build.progress)(&format!("Using Java {} in {}", java.version, java.home.display()));
    maven_copy(build)?;

    let mut manifest = Manifest::managed(build.name, "java", &java.version);
    let mut command = owned(PROGRAM);
    command.extend(owned(FLAGS));
    command.extend(owned(flags_of(major)));
    match compile(build, &java, major)? {
        Entry::OwnClass => {
            manifest.warm = Some(Warm::new(DECIDED_BY, &[], &[("_HEARTH_WARM", "1")]));
            command.extend(owned(java_archive::make(build, &java, major)));
            command.extend(own_class(&build.runtime, Path::new(SHOWN_AS), SHOWN_AS));
        }
        Entry::Client => command.extend(owned(ONLY_CLIENT)),
    }
    manifest.command = command;
    manifest.mounts = linked_directories(&java.home).into_iter().collect();
    manifest.language = Some(java.home);
    manifest.client = Some(Client::new(clients::JAVA, clients::JAVA_VERSION));
    Ok(manifest)
}

fn owned(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Where a function finds the client.
const SHOWN_AS: &str = "/var/runtime";

/// How every function's virtual machine begins.
const PROGRAM: &[&str] = &["/var/lang/bin/java", "-XX:MaxHeapSize={memory_mb_for_heap}m"];

/// How every virtual machine goes on.
pub(crate) const FLAGS: &[&str] = &[
    "-XX:+UseSerialGC",
    // A function runs briefly and on a fraction of a processor: AWS stops at the first
    // compiler too.
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
];

// On the class path is only the client. It loads the function itself, from its working directory
// `/var/task`, `/var/task/lib` and `/opt/java/lib`, with a class loader of its own.

/// And then, with a class of Hearth's own in front, which asks the environment for the handler. The
/// client's native half is in `library`, and what is in `runtime` has names that begin with
/// `shown_as`.
pub(crate) fn own_class(runtime: &Path, library: &Path, shown_as: &str) -> Vec<String> {
    let mut names: Vec<String> = children(runtime)
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| name.ends_with(".jar") && name != OWN_CLASSES)
        .collect();
    names.insert(0, OWN_CLASSES.to_owned());
    // One by one: Java would put what `*` stands for in any order, and keeps an archive of classes
    // for one order.
    let class_path: Vec<String> = names.iter().map(|name| format!("{shown_as}/{name}")).collect();
    vec![
        // Its counters would be in a file in `/tmp`, which is not the function's when it waits.
        "-XX:-UsePerfData".to_owned(),
        // Otherwise the client unpacks it into `/tmp`, at every start and for a fifth of it.
        format!("-D{LIBRARY_PROPERTY}={}", library.join(LIBRARY).display()),
        "-cp".to_owned(),
        class_path.join(":"),
        "hearth.Entry".to_owned(),
    ]
}

/// What the client asks for the place of its native half.
const LIBRARY_PROPERTY: &str =
    "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI";
/// The native half, in the runtime's directory.
const LIBRARY: &str = "libaws-lambda-jni.so";
/// What of [`SOURCES`] a function's virtual machine needs, in the same place.
const OWN_CLASSES: &str = "hearth.jar";

/// And then, without it.
const ONLY_CLIENT: &[&str] = &[
    "-cp",
    "/var/runtime/*",
    "com.amazonaws.services.lambda.runtime.api.client.AWSLambda",
    "{handler}",
];

/// What virtual machines of this version have beside [`FLAGS`].
pub(crate) fn flags_of(major: u32) -> &'static [&'static str] {
    if major < UTF_8_FROM {
        // AWS's locale has it so. Many hosts do not have that locale, and would leave ASCII.
        &["-Dfile.encoding=UTF-8"]
    } else if major >= NATIVE_ACCESS_FROM {
        // Without it they print four lines of warning when the client loads its native half.
        &["--enable-native-access=ALL-UNNAMED"]
    } else {
        &[]
    }
}

/// The first version for which text is UTF-8 whatever the locale is.
const UTF_8_FROM: u32 = 18;

/// The first version that warns.
const NATIVE_ACCESS_FROM: u32 = 24;

/// The first version that [`SOURCES`] were written for.
const WARM_FROM: u32 = 11;

/// What the loader, the C library or the virtual machine reads once. The time zone is not among
/// them.
const DECIDED_BY: &[&str] = &[
    "JAVA_",
    "_JAVA_",
    "JDK_",
    "CLASSPATH",
    "NLSPATH",
    "LD_",
    "GLIBC_",
    "MALLOC_",
    "LANG",
    "LC_",
    "LOCPATH",
    "GCONV_PATH",
    "AWS_LAMBDA_EXEC_WRAPPER",
];

/// The package `hearth`: what a function's virtual machine begins with, and what is run once.
const SOURCES: &[(&str, &str)] = &[
    ("Entry.java", include_str!("java_entry.java")),
    ("Environment.java", include_str!("java_environment.java")),
    ("Pack.java", include_str!("java_pack.java")),
    ("Record.java", include_str!("java_record.java")),
    ("Sample.java", include_str!("java_sample.java")),
    ("Unpack.java", include_str!("java_unpack.java")),
    ("Waiting.java", include_str!("java_waiting.java")),
];

/// What a virtual machine begins with.
enum Entry {
    OwnClass,
    Client,
}

/// Compiles the classes that let a virtual machine wait, if there is a compiler, and unpacks the
/// client's native half.
fn compile(build: &Build<'_>, java: &Java, major: u32) -> Result<Entry, RuntimeError> {
    if major < WARM_FROM {
        return Ok(Entry::Client);
    }
    let own = Some(java.home.join("bin/javac")).filter(|compiler| is_program(compiler));
    let Some(compiler) = own.or_else(|| build.host.program("javac")) else {
        (build.progress)(&format!(
            "There is no javac, so this runtime is not started ahead of need, and starts more \
             slowly from nothing. To have both, install it (apt-get install \
             openjdk-{major}-jdk-headless) and add the runtime again"
        ));
        return Ok(Entry::Client);
    };
    let mut command = Command::new(compiler);
    // The oldest version that they are for: whose compiler it is makes no difference then.
    command.arg("--release").arg(WARM_FROM.to_string()).arg("-nowarn");
    command.arg("-cp").arg(build.runtime.join("*")).arg("-d").arg(&build.work);
    for (name, text) in SOURCES {
        let path = build.work.join(name);
        fs::write(&path, text).map_err(RuntimeError::writing(&path))?;
        command.arg(path);
    }
    run(&mut command, "compile what starts the runtime client")?;

    let mut pack = own_program(build, java, "hearth.Pack");
    pack.arg(&build.work);
    make(pack, &build.runtime.join(OWN_CLASSES), "pack what starts the runtime client")?;
    let unpack = own_program(build, java, "hearth.Unpack");
    let purpose = "unpack the native half of the runtime client";
    make(unpack, &build.runtime.join(LIBRARY), purpose)?;
    Ok(Entry::OwnClass)
}

/// A program among [`SOURCES`].
fn own_program(build: &Build<'_>, java: &Java, class: &str) -> Command {
    let mut path = build.work.clone().into_os_string();
    path.push(":");
    path.push(build.runtime.join("*"));
    let mut command = Command::new(java.home.join("bin/java"));
    command.arg("-cp").arg(path).arg(class);
    command
}

/// Runs a program that makes a file, which its last argument names.
fn make(mut program: Command, file: &Path, purpose: &'static str) -> Result<(), RuntimeError> {
    run(program.arg(file), purpose)?;
    if file.is_file() {
        Ok(())
    } else {
        Err(RuntimeError::NotComplete { purpose, missing: file.display().to_string() })
    }
}

/// Every Java on this host, best first.
pub(crate) fn all(host: &Host) -> Vec<Java> {
    let mut homes: Vec<PathBuf> = host.java_home.iter().cloned().collect();
    for program in host.programs("java") {
        let real = program.canonicalize().ok();
        homes.extend(real.and_then(|real| Some(real.parent()?.parent()?.to_owned())));
    }
    homes.extend(host.jvms.as_deref().map(children).unwrap_or_default());
    let mut found: Vec<Java> = Vec::new();
    for java in homes.iter().filter_map(|home| describe(home)) {
        if !found.contains(&java) {
            found.push(java);
        }
    }
    found
}

impl Java {
    /// The number that AWS's name of the runtime has.
    pub(crate) fn major(&self) -> Option<u32> {
        // Until Java 8, versions began with `1.`.
        let version = self.version.strip_prefix("1.").unwrap_or(&self.version);
        version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    }
}

fn find(host: &Host, major: u32, from: Option<&Path>) -> Result<Java, RuntimeError> {
    let found: Vec<Java> = match from {
        Some(home) => describe(home).into_iter().collect(),
        None => all(host),
    };
    let found = found.into_iter().find(|java| java.major() == Some(major));
    found.ok_or_else(|| RuntimeError::NoInterpreter {
        what: format!("Java {major}"),
        place: from.map_or_else(
            || " by JAVA_HOME, on PATH or in /usr/lib/jvm".to_owned(),
            |from| format!(" in {}", from.display()),
        ),
        next: format!(
            "Install it (apt-get install openjdk-{major}-jdk-headless), or say where it is: \
             --from HOME, with HOME/bin/java and HOME/release"
        ),
    })
}

/// Reads what a Java home says of itself. Every JDK and JRE since Java 7 has a file for this.
fn describe(home: &Path) -> Option<Java> {
    let home = home.canonicalize().ok()?;
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let version = version.trim().trim_matches('"').to_owned();
    is_program(&home.join("bin/java")).then_some(Java { home, version })
}

/// The directories outside a Java home that links inside it lead to.
///
/// Debian keeps the configuration of a JDK in `/etc`; without it the JVM does not start.
fn linked_directories(home: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    collect_links(home, home, JDK_DEPTH, &mut found);
    // What is below another one is shown with it.
    let below = |path: &PathBuf| path.ancestors().skip(1).any(|above| found.contains(above));
    let nested: BTreeSet<PathBuf> = found.iter().filter(|path| below(path)).cloned().collect();
    found.difference(&nested).cloned().collect()
}

fn collect_links(home: &Path, at: &Path, depth: u32, found: &mut BTreeSet<PathBuf>) {
    for path in children(at) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            collect_links(home, &path, depth - 1, found);
        } else if metadata.is_symlink() {
            let Ok(target) = path.canonicalize() else { continue };
            // What is under `/usr` is shown anyway.
            let outside = !target.starts_with(home) && !target.starts_with("/usr");
            let directory = if target.is_dir() { Some(target.as_path()) } else { target.parent() };
            found.extend(directory.filter(|_| outside).map(Path::to_owned));
        }
    }
}

/// Fetches the client and its dependencies.
fn maven_copy(build: &Build<'_>) -> Result<(), RuntimeError> {
    let purpose = "fetch the runtime client";
    let Some(maven) = build.host.program("mvn") else {
        return Err(RuntimeError::ToolsMissing {
            tools: "maven".to_owned(),
            install: "apt-get install maven".to_owned(),
        });
    };
    (build.progress)(&format!("Fetching {} {}", clients::JAVA, clients::JAVA_VERSION));
    let project = build.work.join("pom.xml");
    fs::write(&project, project_text()).map_err(RuntimeError::writing(&project))?;
    let mut command = Command::new(maven);
    command.current_dir(&build.work).args(["-q", "-B", "-f"]).arg(&project);
    command.args([clients::MAVEN_COPY, "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", build.runtime.display()));
    run(&mut command, purpose)?;
    let client = format!("{}-{}.jar", clients::JAVA, clients::JAVA_VERSION);
    if build.runtime.join(&client).is_file() {
        Ok(())
    } else {
        Err(RuntimeError::NotComplete { purpose, missing: client })
    }
}

/// A project that does nothing but depend on the client.
fn project_text() -> String {
    let (group, artifact, version) = (clients::JAVA_GROUP, clients::JAVA, clients::JAVA_VERSION);
    format!(
        "<project><modelVersion>4.0.0</modelVersion>\
         <groupId>hearth</groupId><artifactId>runtime</artifactId><version>1</version>\
         <packaging>pom</packaging><dependencies><dependency>\
         <groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>\
         </dependency></dependencies></project>\n"
    )
}
