//! Adding runtimes with interpreters that are shell scripts, and asking for them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::add::add_on;
use crate::candidates::candidates_on;
use crate::host::Host;
use crate::java::Java;

/// A temporary directory by its real path, because interpreters report theirs so.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    (directory, path)
}

/// Writes a program. Another process does it: a program cannot be started while it is open for
/// writing, and a thread that starts something else at this moment would hold it open.
fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let script = r#"printf '%s' "$1" > "$0" && chmod 755 "$0""#;
    let written = Command::new("sh").arg("-c").arg(script).arg(path).arg(text).status().unwrap();
    assert!(written.success());
}

/// A Python 3.11.7 in `prefix`, whose pip does `install`.
fn fake_python(prefix: &Path, install: &str) {
    let text = format!(
        r#"#!/bin/sh
case "$*" in
*"-m pip --version"*) echo pip ;;
*"-m pip install"*) {install} ;;
*"-m compileall"*) ;;
*) echo 3.11.7; echo '{}' ;;
esac
"#,
        prefix.display()
    );
    program(&prefix.join("bin/python3.11"), &text);
}

const INSTALLS: &str = r#"while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/bin" "$2/awslambdaric" && : > "$2/awslambdaric/__main__.py""#;

fn add_quietly(
    host: &Host,
    directory: &Path,
    name: &str,
    from: Option<&Path>,
) -> Result<Runtime, RuntimeError> {
    let from = from.map(Path::to_owned);
    add_on(host, directory, &AddRequest { name: name.to_owned(), from, progress: &|_: &str| {} })
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = host::children(directory).into_iter();
    names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let mut manifest = Manifest::managed("python3.11", "python", "3.11.7");
    manifest.command = vec!["/var/lang/bin/python3.11".to_owned(), "-S".to_owned()];
    manifest.language = Some(PathBuf::from("/opt/python"));
    manifest.mounts = vec![PathBuf::from("/etc/python")];
    manifest.environment.insert("PYTHONPATH".to_owned(), "/var/runtime".to_owned());
    manifest.client = Some(Client::new("awslambdaric", "4.2.2"));
    manifest.warm = Some(Warm::new(&["PYTHON"], &["PYTHONIC"], &[("WAIT", "1")]));
    let text = toml::to_string(&manifest).unwrap();
    assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), manifest, "{text}");
}

#[test]
fn an_unknown_key_of_a_manifest_is_refused() {
    let (_kept, directory) = directory();
    let own = directory.join("python3.11");
    fs::create_dir_all(&own).unwrap();
    let mut manifest = Manifest::managed("python3.11", "python", "3.11.7");
    manifest.command = vec!["/usr/bin/python3.11".to_owned()];
    let text = toml::to_string(&manifest).unwrap();
    fs::write(own.join("runtime.toml"), format!("comand = []\n{text}")).unwrap();
    let refused = Runtimes::open(directory.clone());
    assert!(matches!(refused, Err(RuntimeError::NotUnderstood { .. })), "{refused:?}");
    fs::write(own.join("runtime.toml"), text).unwrap();
    assert!(Runtimes::open(directory).unwrap().get("python3.11").is_some());
}

#[rustfmt::skip]
#[test]
fn a_manifest_that_cannot_work_has_a_fault() {
    let good = Manifest { command: vec!["/bin/sh".to_owned()], ..Manifest::managed("x", "x", "1") };
    let relative = Some(PathBuf::from("lang"));
    let warm = Some(Warm::new(&["PYTHON"], &[], &[("WAIT", "1")]));
    let named = ["/bin/sh", "{handler}"].map(str::to_owned).to_vec();
    let rows = [
        ("good",                 true,  good.clone()),
        ("another name",         false, Manifest { name: "y".to_owned(), ..good.clone() }),
        ("no command",           false, Manifest { command: Vec::new(), ..good.clone() }),
        ("a relative program",   false, Manifest { command: vec!["sh".to_owned()], ..good.clone() }),
        ("a relative directory", false, Manifest { language: relative, ..good.clone() }),
        ("waits",                true,  Manifest { warm: warm.clone(), ..good.clone() }),
        ("waits for a name",     false, Manifest { warm, command: named, ..good }),
    ];
    for (name, works, manifest) in rows {
        assert_eq!(manifest.fault("x").is_none(), works, "{name}");
    }
}

#[test]
fn provided_runtimes_are_always_there() {
    let (_kept, directory) = directory();
    let runtimes = Runtimes::open(directory).unwrap();
    assert_eq!(runtimes.names(), ["provided.al2", "provided.al2023"]);
    let runtime = runtimes.get("provided.al2023").unwrap();
    assert_eq!(runtime.manifest.version, "provided:al2023");
    assert_eq!(runtime.manifest.execution_environment, None);
    assert_eq!(runtime.runtime_directory(), None);
    assert!(runtime.command(128, "x").is_empty());
}

#[test]
fn who_misses_a_runtime_is_told_the_next_step() {
    let (_kept, directory) = directory();
    let runtimes = Runtimes::open(directory).unwrap();
    let message = runtimes.missing_message("python3.11");
    assert!(message.contains("hearth runtime add python3.11"), "{message}");
    assert!(message.contains("provided.al2023"), "{message}");
    assert!(runtimes.missing_message("ruby3.4").contains("--from DIRECTORY"));
}

#[test]
fn a_runtime_that_is_added_beside_is_found() {
    let (_kept, directory) = directory();
    let (prefix, installed) = (directory.join("prefix"), directory.join("runtimes"));
    fake_python(&prefix, INSTALLS);
    let runtimes = Runtimes::open(installed.clone()).unwrap();
    assert!(runtimes.get("python3.11").is_none());

    let host = Host { path: vec![prefix.join("bin")], ..Host::default() };
    let added = add_quietly(&host, &installed, "python3.11", None).unwrap();
    let found = runtimes.get("python3.11").unwrap();
    assert_eq!(found.manifest, added.manifest);
    assert_eq!(added.manifest.version, "python:3.11.7");
    assert_eq!(added.manifest.language, Some(prefix));
    assert_eq!(
        added.command(128, "app.handler"),
        ["/var/lang/bin/python3.11", "-S", "/var/runtime/bootstrap.py"]
    );
    let runtime = installed.join("python3.11/runtime");
    assert_eq!(added.runtime_directory().as_ref(), Some(&runtime));
    assert_eq!(names_in(&runtime), ["_hearth_warm.py", "awslambdaric", "bootstrap.py"]);
    assert!(added.manifest.warm.is_some(), "it can be started ahead of need");
    assert_eq!(names_in(&installed), ["python3.11"]);

    add_quietly(&host, &installed, "python3.11", None).expect("to add it again replaces it");
    assert_eq!(names_in(&installed), ["python3.11"]);
}

#[test]
fn everybody_may_read_a_runtime_that_was_added_with_a_strict_umask() {
    let (_kept, directory) = directory();
    let (prefix, installed) = (directory.join("prefix"), directory.join("runtimes"));
    fake_python(&prefix, &format!("umask 077; {INSTALLS} && chmod 700 \"$2/awslambdaric\""));
    add_quietly(&Host::default(), &installed, "python3.11", Some(&prefix)).unwrap();
    let mode = |name: &str| {
        let metadata = fs::metadata(installed.join("python3.11").join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("runtime/awslambdaric"), 0o755);
    assert_eq!(mode("runtime/awslambdaric/__main__.py"), 0o644);
}

#[test]
fn a_failure_leaves_nothing_behind_and_says_what_the_tool_said() {
    let (_kept, directory) = directory();
    let (prefix, installed) = (directory.join("prefix"), directory.join("runtimes"));
    fake_python(&prefix, "echo 'no route to anywhere' >&2; exit 1");
    let host = Host::default();
    let failed = add_quietly(&host, &installed, "python3.11", Some(&prefix));
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("no route to anywhere"), "{message}");
    assert!(names_in(&installed).is_empty());
}

#[test]
fn what_cannot_be_added_is_refused_with_the_reason() {
    let (_kept, directory) = directory();
    let host = Host::default();
    let add = |name: &str| add_quietly(&host, &directory, name, None).unwrap_err();
    assert!(matches!(add("ruby3.4"), RuntimeError::NotKnownHow { .. }));
    assert!(matches!(add("provided.al2023"), RuntimeError::BuiltIn { .. }));
    assert!(matches!(add("../evil"), RuntimeError::NotAName { .. }));
    let message = add("python3.11").to_string();
    assert!(message.contains("found no python3.11 on PATH"), "{message}");
    assert!(names_in(&directory).is_empty());
}

#[test]
fn missing_build_tools_are_named_with_their_packages() {
    let (_kept, directory) = directory();
    let prefix = directory.join("prefix");
    let node = prefix.join("bin/node");
    program(&node, &format!("#!/bin/sh\necho 22.11.0; echo '{}'\n", node.display()));
    for tool in ["npm", "make"] {
        program(&prefix.join("bin").join(tool), "#!/bin/sh\n");
    }
    let installed = directory.join("runtimes");
    let failed = add_quietly(&Host::default(), &installed, "nodejs22.x", Some(&prefix));
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("apt-get install cmake autoconf automake libtool g++"), "{message}");
    assert!(!message.contains("npm"), "{message}");
}

/// A Node.js of this version, and an npm that installs the files of both clients.
fn fake_node(prefix: &Path, version: &str) -> Host {
    let node = prefix.join("bin/node");
    program(&node, &format!("#!/bin/sh\necho {version}; echo '{}'\n", node.display()));
    let npm = r#"#!/bin/sh
PATH=/usr/bin:/bin
while [ "$1" != --prefix ]; do shift; done
case "$2" in *" "*) echo "a space in $2" >&2; exit 1 ;; esac
cd "$2" && mkdir -p node_modules/aws-lambda-ric/dist && cd node_modules/aws-lambda-ric
for file in index.mjs rapid-client.node package.json LICENSE NOTICE THIRD-PARTY-LICENSES; do
    : > "$file" && : > "dist/$file"
done
"#;
    program(&prefix.join("bin/npm"), npm);
    let tools = ["cmake", "autoreconf", "automake", "libtoolize", "g++", "make", "python3"];
    for tool in tools.into_iter().chain(["tar", "xz"]) {
        program(&prefix.join("bin").join(tool), "#!/bin/sh\n");
    }
    Host { path: vec![prefix.join("bin")], ..Host::default() }
}

#[test]
fn a_node_runtime_of_either_client_can_be_started_ahead_of_need() {
    let (_kept, directory) = directory();
    for (version, name) in
        [("18.20.8", "nodejs18.x"), ("22.11.0", "nodejs22.x"), ("24.11.0", "nodejs24.x")]
    {
        let host = fake_node(&directory.join(version), version);
        let added = add_quietly(&host, &directory.join("runtimes"), name, None).unwrap();
        let runtime = added.runtime_directory().unwrap();
        let command = added.command(128, "index.handler");
        assert_eq!(
            command.last().map(String::as_str),
            Some("/var/runtime/bootstrap.mjs"),
            "{name}"
        );
        let warm = added.manifest.warm.as_ref().unwrap();
        assert!(warm.environment.contains_key("_HEARTH_WARM"), "{name}");
        assert!(warm.is_decided_by("NODE_OPTIONS") && !warm.is_decided_by("NODE_ENV"));
        // Worker threads would inherit it, and load their files in another way.
        assert!(!warm.environment.contains_key("NODE_OPTIONS"), "{name}");
        for file in ["bootstrap.mjs", "warm.mjs", "wait.mjs", "index.mjs", "rapid-client.node"] {
            assert!(runtime.join(file).is_file(), "{name}: {file}");
        }
    }
}

#[test]
fn the_client_for_handlers_with_a_callback_is_that_of_node_22_and_before() {
    let (_kept, directory) = directory();
    for (version, name, client) in [
        ("22.11.0", "nodejs22.x", clients::NODEJS_OLD),
        ("24.11.0", "nodejs24.x", clients::NODEJS_CURRENT),
    ] {
        let host = fake_node(&directory.join(version), version);
        let added = add_quietly(&host, &directory.join("runtimes"), name, None).unwrap();
        assert_eq!(added.manifest.client, Some(Client::new(clients::NODEJS, client)), "{name}");
    }
}

#[test]
fn a_node_runtime_can_be_added_where_the_path_has_a_space() {
    let (_kept, directory) = directory();
    let (host, installed) = (fake_node(&directory, "20.1.0"), directory.join("my runtimes"));
    let added = add_quietly(&host, &installed, "nodejs20.x", None).unwrap();
    assert!(added.runtime_directory().unwrap().join("rapid-client.node").is_file());
    let left = std::env::temp_dir().join(format!("hearth-nodejs20.x-{}", std::process::id()));
    assert!(!left.exists(), "nothing is left behind");
}

#[test]
fn interpreters_of_this_host_are_candidates() {
    let (_kept, directory) = directory();
    let (python, node, jdk) = (directory.join("p"), directory.join("n"), directory.join("jvm/17"));
    fake_python(&python, "exit 1");
    let node_program = node.join("bin/node");
    program(&node_program, &format!("#!/bin/sh\necho 20.1.0; echo '{}'\n", node_program.display()));
    program(&jdk.join("bin/java"), "#!/bin/sh\n");
    fs::write(jdk.join("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n").unwrap();
    // A shim of a version manager that has no version chosen.
    program(&directory.join("shims/python3.12"), "#!/bin/sh\nexit 127\n");
    let host = Host {
        path: vec![directory.join("shims"), python.join("bin"), node.join("bin")],
        jvms: Some(directory.join("jvm")),
        ..Host::default()
    };
    let found: Vec<(String, String)> = candidates_on(&host)
        .into_iter()
        .map(|candidate| (candidate.name, candidate.version))
        .collect();
    let expected = [("java17", "17.0.15"), ("nodejs20.x", "20.1.0"), ("python3.11", "3.11.7")];
    assert_eq!(found, expected.map(|(name, version)| (name.to_owned(), version.to_owned())));
}

#[test]
fn versions_of_java_are_understood() {
    for (version, major) in [("1.8.0_402", 8), ("11", 11), ("17.0.15", 17), ("25-ea", 25)] {
        let java = Java { home: PathBuf::new(), version: version.to_owned() };
        assert_eq!(java.major(), Some(major), "{version}");
    }
}

/// A JDK of this version, and a Maven, whose programs make the files that they are asked for.
fn fake_java(directory: &Path, version: &str, programs: &[&str]) -> Host {
    let home = directory.join("jdk");
    let client = format!("{}-{}.jar", clients::JAVA, clients::JAVA_VERSION);
    let text = r#"#!/bin/sh
echo "$0 $*" >> "$(dirname "$0")/../said"
for last; do :; done
case "$0" in
*/java) for one; do case "$one" in -XX:ArchiveClassesAtExit=*)
    : > "${one#*=}" ;; esac; done; : > "$last" ;;
*/javac) : ;;
*/mvn) for one; do case "$one" in -DoutputDirectory=*)
    : > "${one#*=}/CLIENT" ;; esac; done ;;
esac
"#
    .replace("CLIENT", &client);
    for name in programs {
        program(&home.join("bin").join(name), &text);
    }
    fs::write(home.join("release"), format!("JAVA_VERSION=\"{version}\"\n")).unwrap();
    Host { path: vec![home.join("bin")], ..Host::default() }
}

#[test]
fn a_java_runtime_with_a_compiler_at_hand_can_be_started_ahead_of_need() {
    let (_kept, directory) = directory();
    let host = fake_java(&directory, "17.0.15", &["java", "javac", "mvn"]);
    let installed = directory.join("runtimes");
    let added = add_quietly(&host, &installed, "java17", None).unwrap();
    let command = added.command(1000, "a.B::c");
    assert_eq!(command.last().map(String::as_str), Some("hearth.Entry"));
    assert!(command.contains(&"-XX:MaxHeapSize=850m".to_owned()), "{command:?}");
    let warm = added.manifest.warm.as_ref().unwrap();
    let decides = |name: &str| warm.is_decided_by(name);
    assert!(decides("JAVA_TOOL_OPTIONS") && decides("LC_ALL") && !decides("TZ"));
    let runtime = added.runtime_directory().unwrap();
    assert!(runtime.join("libaws-lambda-jni.so").is_file());
    assert!(runtime.join("hearth.jsa").is_file());
    assert!(command.contains(&"-XX:SharedArchiveFile=/var/runtime/hearth.jsa".to_owned()));
    let client = format!("{}-{}.jar", clients::JAVA, clients::JAVA_VERSION);
    let class_path = format!("/var/runtime/hearth.jar:/var/runtime/{client}");
    assert!(command.contains(&class_path), "{command:?}");
    let said = fs::read_to_string(directory.join("jdk/said")).unwrap();
    assert!(said.contains("--release 11"), "{said}");
    // From `/var/task`, these names lead to the same files.
    let recorded = said.lines().find(|line| line.contains("hearth.Record")).unwrap();
    assert!(recorded.contains(&class_path.replace("/var/", "../")), "{recorded}");
}

#[test]
fn a_java_runtime_without_an_archive_of_classes_is_only_slower() {
    let (_kept, directory) = directory();
    let keeps_none = |name: &str, version: &str, told: &str| {
        let directory = directory.join(version);
        let host = fake_java(&directory, version, &["java", "javac", "mvn"]);
        let java = directory.join("jdk/bin/java");
        let text = fs::read_to_string(&java).unwrap();
        // Like one that has no archive of its own classes, to which this one would be added.
        program(&java, &text.replace("-XX:ArchiveClassesAtExit=*", told));
        let added = add_quietly(&host, &directory.join("runtimes"), name, None).unwrap();
        let command = added.command(128, "a.B::c");
        assert_eq!(command.last().map(String::as_str), Some("hearth.Entry"));
        assert!(!command.iter().any(|part| part.contains("SharedArchiveFile")), "{command:?}");
    };
    keeps_none("java17", "17.0.15", "never");
    // Too old.
    keeps_none("java11", "11.0.2", "-XX:ArchiveClassesAtExit=*");
}

#[test]
fn a_java_runtime_without_a_compiler_starts_the_client_itself() {
    let (_kept, directory) = directory();
    for (version, programs) in [
        ("17.0.15", ["java", "mvn"].as_slice()),
        ("1.8.0_402", ["java", "javac", "mvn"].as_slice()),
    ] {
        let directory = directory.join(version);
        let host = fake_java(&directory, version, programs);
        let name = if version.starts_with("17") { "java17" } else { "java8.al2" };
        let added = add_quietly(&host, &directory.join("runtimes"), name, None).unwrap();
        assert!(added.manifest.warm.is_none(), "{version}");
        assert_eq!(added.command(128, "a.B::c").last().map(String::as_str), Some("a.B::c"));
    }
}

#[test]
fn newer_java_is_allowed_to_load_the_clients_native_half() {
    let (_kept, directory) = directory();
    let host = fake_java(&directory, "25.0.1", &["java", "javac", "mvn"]);
    let added = add_quietly(&host, &directory.join("runtimes"), "java25", None).unwrap();
    let flag = "--enable-native-access=ALL-UNNAMED".to_owned();
    assert!(added.command(128, "a.B::c").contains(&flag));
}

#[test]
fn older_java_is_told_that_text_is_utf_8_with_and_without_a_compiler() {
    let (_kept, directory) = directory();
    let flag = "-Dfile.encoding=UTF-8".to_owned();
    for (version, name) in [("17.0.15", "java17"), ("1.8.0_402", "java8.al2")] {
        let host = fake_java(&directory.join(version), version, &["java", "javac", "mvn"]);
        let added = add_quietly(&host, &directory.join("runtimes"), name, None).unwrap();
        assert!(added.command(128, "a.B::c").contains(&flag), "{name}");
    }
}

#[test]
fn a_base_image_is_referred_to_and_not_copied() {
    let (_kept, directory) = directory();
    let (image, installed) = (directory.join("image"), directory.join("runtimes"));
    fs::create_dir_all(image.join("var/lang")).unwrap();
    program(&image.join("var/runtime/bootstrap"), "#!/bin/sh\n");
    let host = Host::default();
    let added = add_quietly(&host, &installed, "ruby3.4", Some(&image)).unwrap();
    assert_eq!(added.root_directory(), Some(image));
    assert_eq!(added.runtime_directory(), None);
    assert_eq!(added.command(128, "x"), ["/var/runtime/bootstrap"]);
    assert_eq!(added.manifest.version, "ruby:3.4");
}

#[test]
fn placeholders_of_a_command_are_filled_in() {
    let mut runtime = Runtime::provided("provided.al2");
    runtime.manifest.command =
        ["/bin/java", "-Xmx{memory_mb_for_heap}m", "{handler}"].map(str::to_owned).to_vec();
    let handler = "a.B::{memory_mb_for_heap}";
    assert_eq!(runtime.command(1000, handler), ["/bin/java", "-Xmx850m", handler]);
}

#[test]
fn the_version_arn_is_stable_and_tells_versions_apart() {
    let one = Runtime::provided("provided.al2").version_arn("eu-west-1");
    assert_eq!(one, Runtime::provided("provided.al2").version_arn("eu-west-1"));
    assert_ne!(one, Runtime::provided("provided.al2023").version_arn("eu-west-1"));
    let (start, digest) = one.rsplit_once(':').unwrap();
    assert_eq!(start, "arn:aws:lambda:eu-west-1::runtime");
    assert_eq!(digest.len(), 64);
}
