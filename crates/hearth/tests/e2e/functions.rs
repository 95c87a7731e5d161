//! The functions that the tests deploy. Their sources are in `tests/functions`.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::tools;

/// Code, and what runs it.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) runtime: String,
    pub(crate) handler: &'static str,
    pub(crate) zip: Vec<u8>,
}

/// An archive of files, each with its permission bits.
pub(crate) fn zip(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, bytes) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(*mode);
        writer.start_file(*name, options).expect("the names are short and different");
        writer.write_all(bytes).expect("memory can be written to");
    }
    writer.finish().expect("memory can be written to").into_inner()
}

/// Does what its event asks for.
pub(crate) fn behaves() -> Code {
    python(include_str!("../functions/behaves.py"))
}

/// The same, with a file that says which version of the code it is.
pub(crate) fn behaves_as_version(version: &str) -> Code {
    let source = include_str!("../functions/behaves.py").as_bytes();
    let files = [("handler.py", 0o644, source), ("version.txt", 0o644, version.as_bytes())];
    Code { zip: zip(&files), ..behaves() }
}

/// Writes down the records of a stream, and fails for those that are poison.
pub(crate) fn consumes() -> Code {
    python(include_str!("../functions/consumes.py"))
}

/// Writes down the records of a Kinesis stream, and fails for those that are poison.
pub(crate) fn reads() -> Code {
    python(include_str!("../functions/reads.py"))
}

/// Writes down what it gets of a topic of Kafka.
pub(crate) fn consumes_kafka() -> Code {
    python(include_str!("../functions/consumes_kafka.py"))
}

/// Writes down what it gets of a queue of RabbitMQ.
pub(crate) fn consumes_rabbit() -> Code {
    python(include_str!("../functions/consumes_rabbit.py"))
}

/// Says what is in each batch of messages.
pub(crate) fn batches() -> Code {
    python(include_str!("../functions/batches.py"))
}

/// Answers requests, by their path.
pub(crate) fn serves() -> Code {
    python(include_str!("../functions/serves.py"))
}

/// An application of a framework, with everything that it needs.
pub(crate) fn web_application() -> Code {
    let source = include_str!("../functions/web_application.py");
    Code { zip: with_packages(&tools::frameworks(), ("handler.py", source)), ..serves() }
}

/// An archive of a file, and of the packages that it needs.
pub(crate) fn with_packages(packages: &Path, (name, source): (&str, &str)) -> Vec<u8> {
    let mut files = tools::files_of(packages);
    files.push((name.to_owned(), source.as_bytes().to_vec()));
    let files: Vec<(&str, u32, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), 0o755, bytes.as_slice())).collect();
    zip(&files)
}

/// Answers requests of each kind, well or in a wrong form.
pub(crate) fn shapes() -> Code {
    python(include_str!("../functions/shapes.py"))
}

/// Speaks the Runtime API by hand, and not always well.
pub(crate) fn raw_loop() -> Code {
    python(include_str!("../functions/raw_loop.py"))
}

/// Says what it can see and do.
pub(crate) fn inspector() -> Code {
    python(include_str!("../functions/inspector.py"))
}

/// Says everything that could tell how its interpreter was started.
pub(crate) fn observer() -> Code {
    python(include_str!("../functions/observer.py"))
}

/// Brings a module in place of one of the library's, and says whose it finds.
pub(crate) fn own_module() -> Code {
    let handler = b"import keyword\n\ndef handler(event, context):\n    return keyword.whose\n";
    let module = include_str!("../functions/own_keyword.py").as_bytes();
    let files = [("handler.py", 0o644, handler.as_slice()), ("keyword.py", 0o644, module)];
    Code { zip: zip(&files), ..observer() }
}

/// Cannot be imported.
pub(crate) fn import_error() -> Code {
    python(include_str!("../functions/import_error.py"))
}

/// Takes longer to load than it may, the first time.
pub(crate) fn slow_init() -> Code {
    python(include_str!("../functions/slow_init.py"))
}

/// Brings an extension along in its own process.
pub(crate) fn with_internal_extension() -> Code {
    python(include_str!("../functions/internal_extension.py"))
}

/// A layer with one extension, called `outer`, whose file has these permission bits.
pub(crate) fn extension_layer(mode: u32) -> Vec<u8> {
    let (runtime, _) = tools::python();
    let source = include_str!("../functions/extension.py");
    let source = format!("#!/usr/bin/env {runtime}\n{source}");
    zip(&[("extensions/outer", mode, source.as_bytes())])
}

fn python(source: &str) -> Code {
    let (runtime, _) = tools::python();
    Code {
        runtime: runtime.to_owned(),
        handler: "handler.handler",
        zip: zip(&[("handler.py", 0o644, source.as_bytes())]),
    }
}

/// A small compiled program that answers with its event.
pub(crate) fn hello_compiled() -> Code {
    program(&tools::hello_compiled())
}

/// A small compiled program that puts the ids of its events into a queue.
pub(crate) fn reports() -> Code {
    program(&tools::reports())
}

/// A program that brings its own runtime client.
pub(crate) fn program(path: &Path) -> Code {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    provided(&[("bootstrap", 0o755, &bytes)])
}

/// Files on an operating system without a language.
pub(crate) fn provided(files: &[(&str, u32, &[u8])]) -> Code {
    Code { runtime: "provided.al2023".to_owned(), handler: "bootstrap", zip: zip(files) }
}
