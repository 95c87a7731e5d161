//! Tests of the configuration. None reads the real environment.

use super::*;

fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Surroundings {
        variables: pairs.collect(),
        data_dir: PathBuf::from("/home/me/.local/share/hearth"),
        system_file: None,
    }
}

fn shown(key: &str, loaded: &(Config, Origins)) -> (String, String) {
    let setting = settings::find(key).expect("a setting");
    ((setting.show)(&loaded.0), loaded.1.of(setting).to_string())
}

fn refusal(surroundings: &Surroundings, flags: &Flags) -> String {
    Config::load_in(surroundings, flags).expect_err("it is refused").to_string()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hearth.toml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn without_anything_the_defaults_hold() {
    let loaded = Config::load_in(&surroundings(&[]), &Flags::default()).unwrap();
    #[rustfmt::skip]
    let rows = [
        ("listen",           "127.0.0.1:4566"),
        ("data_dir",         "/home/me/.local/share/hearth"),
        ("region",           "us-east-1"),
        ("account",          "000000000000"),
        ("log_level",        "info"),
        ("allow_weaker",     "false"),
        ("environments_max", "1000"),
        ("shells",           "2"),
        ("warm_shells",      "2"),
        ("auth",             "off"),
        ("sqs_endpoint",     ""),
        ("sns_endpoint",     ""),
        ("events_endpoint",  ""),
        ("sources_dynamodb_endpoint", ""),
    ];
    for (key, value) in rows {
        assert_eq!(shown(key, &loaded), (value.to_owned(), "default".to_owned()), "{key}");
    }
}

#[test]
fn a_table_of_stores_is_read_from_the_file_and_its_tokens_are_shown_nowhere() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let stores = |token: &str| {
        file(&format!("[s3_events.minio]\ntoken = \"{token}\"\nfunction = \"{arn}\"\n"))
    };
    let (_directory, path) = stores("0123456789abcdef");
    let flags = Flags { config: Some(path), ..Flags::default() };
    let loaded = Config::load_in(&surroundings(&[]), &flags).unwrap();
    assert_eq!(shown("s3_events", &loaded).0, "minio");
    assert_eq!(loaded.0.s3_events.0["minio"].functions, [arn]);
    assert!(!format!("{:?}", loaded.0).contains("0123456789abcdef"));

    let (_directory, path) = stores("tiny");
    let flags = Flags { config: Some(path), ..Flags::default() };
    let refused = refusal(&surroundings(&[]), &flags);
    assert!(refused.contains("`minio`: `token` must be") && !refused.contains("tiny"), "{refused}");
}

#[test]
fn what_comes_later_wins_and_every_origin_is_kept() {
    let (_directory, path) =
        file("region = \"eu-west-1\"\nidle_seconds = 1\ndrain_seconds = 2\nallow_weaker = true\n");
    let variables = [("HEARTH_IDLE_SECONDS", "3"), ("HEARTH_DRAIN_SECONDS", "4")];
    let flags = Flags {
        config: Some(path.clone()),
        listen: Some("[::1]:0".to_owned()),
        settings: vec!["drain_seconds=5".to_owned()],
        ..Flags::default()
    };
    let loaded = Config::load_in(&surroundings(&variables), &flags).unwrap();
    let from_file = format!("file {}", path.display());
    #[rustfmt::skip]
    let rows = [
        ("region",        "eu-west-1", from_file.as_str()),
        ("allow_weaker",  "true",      from_file.as_str()),
        ("idle_seconds",  "3",         "variable HEARTH_IDLE_SECONDS"),
        ("drain_seconds", "5",         "flag --set"),
        ("listen",        "[::1]:0",   "flag --listen"),
        ("log_level",     "info",      "default"),
    ];
    for (key, value, origin) in rows {
        assert_eq!(shown(key, &loaded), (value.to_owned(), origin.to_owned()), "{key}");
    }
}

#[test]
fn sources_may_stand_in_tables_of_the_file() {
    for text in [
        "[sources.dynamodb]\nendpoint = \"http://a:8000\"\n",
        "sources.dynamodb.endpoint = \"http://a:8000\"\n",
        "sources_dynamodb_endpoint = \"http://a:8000\"\n",
    ] {
        let (_directory, path) = file(text);
        let flags = Flags { config: Some(path), ..Flags::default() };
        let loaded = Config::load_in(&surroundings(&[]), &flags).unwrap();
        assert_eq!(shown("sources_dynamodb_endpoint", &loaded).0, "http://a:8000", "{text}");
    }
    let (_directory, path) = file("[sources.dynamodb]\nendpoin = \"http://a:8000\"\n");
    let flags = Flags { config: Some(path), ..Flags::default() };
    let refused = refusal(&surroundings(&[]), &flags);
    assert!(refused.contains("`sources_dynamodb_endpoint`"), "{refused}");
}

#[test]
fn brokers_clusters_and_secrets_stand_in_tables_with_their_names() {
    let text = "[sources.mq.orders]\nendpoint = \"amqp://a:5672\"\nuser = \"u\"\n\
        [sources.kafka.main]\nservers = \"a:9092\"\ntls = false\n\
        [secrets.\"prod/broker\"]\npassword = \"hidden\"\n";
    let (_directory, path) = file(text);
    let more = "sources.mq.orders.password=hidden".to_owned();
    let flags = Flags { config: Some(path), settings: vec![more], ..Flags::default() };
    let (config, _) = Config::load_in(&surroundings(&[]), &flags).unwrap();
    let broker = config.named.of(Kind::Broker).next().unwrap();
    assert_eq!((broker.0, broker.1["endpoint"].as_str()), ("orders", "amqp://a:5672"));
    assert_eq!(broker.1["password"], "hidden");
    let secret = config.named.of(Kind::Secret).next().unwrap();
    assert_eq!((secret.0, secret.1["password"].as_str()), ("prod/broker", "hidden"));
    assert_eq!(config.named.of(Kind::Cluster).next().unwrap().1["tls"], "false");
    assert!(!format!("{config:?}").contains("hidden"));
    #[rustfmt::skip]
    let rows = [
        ("[sources.mq.orders]\nendpoin = \"amqp://a\"\n",   "is one of"),
        ("[sources.mq.orders]\nendpoint = \"http://a\"\n",  "amqp"),
        ("[sources.kafka.main]\ntls = \"perhaps\"\n",       "true"),
        ("[sources.kafka.main]\nmechanism = \"MD5\"\n",     "SCRAM-SHA-256"),
    ];
    for (text, expected) in rows {
        let (_directory, path) = file(text);
        let flags = Flags { config: Some(path), ..Flags::default() };
        let refused = refusal(&surroundings(&[]), &flags);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn the_file_is_the_one_of_the_flag_then_of_the_variable_then_of_the_system() {
    let mut around = surroundings(&[("HEARTH_CONFIG", "/b")]);
    around.system_file = Some(PathBuf::from("/c"));
    let flags = Flags { config: Some(PathBuf::from("/a")), ..Flags::default() };
    assert_eq!(around.file(&flags), Some(PathBuf::from("/a")));
    assert_eq!(around.file(&Flags::default()), Some(PathBuf::from("/b")));
    around.variables.clear();
    assert_eq!(around.file(&Flags::default()), Some(PathBuf::from("/c")));
    assert_eq!(surroundings(&[]).file(&Flags::default()), None);
}

#[test]
fn secrets_are_read_and_not_shown() {
    for key in [
        "s3_secret_access_key",
        "endpoints_secret_access_key",
        "sources_dynamodb_secret_access_key",
    ] {
        let variable = format!("HEARTH_{}", key.to_ascii_uppercase());
        let variables = surroundings(&[(variable.as_str(), "hidden")]);
        let loaded = Config::load_in(&variables, &Flags::default()).unwrap();
        assert_eq!(shown(key, &loaded), ("(set)".to_owned(), format!("variable {variable}")));
        assert!(!format!("{:?}", loaded.0).contains("hidden"), "{key}");
    }
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest_name() {
    let (_directory, path) = file("idle_second = 5\n");
    let in_file = Flags { config: Some(path.clone()), ..Flags::default() };
    assert_eq!(
        refusal(&surroundings(&[]), &in_file),
        format!(
            "the key `idle_second` in `{}` is not known; the nearest is `idle_seconds`",
            path.display()
        )
    );
    assert_eq!(
        refusal(&surroundings(&[("HEARTH_LISTN", "x")]), &Flags::default()),
        "the variable `HEARTH_LISTN` is not known; the nearest is `HEARTH_LISTEN`"
    );
    let after_set = Flags { settings: vec!["uidbase=1".to_owned()], ..Flags::default() };
    assert_eq!(
        refusal(&surroundings(&[]), &after_set),
        "the key `uidbase` after `--set` is not known; the nearest is `uid_base`"
    );
}

#[test]
fn values_that_cannot_be_used_are_refused_with_their_origin() {
    #[rustfmt::skip]
    let rows = [
        ("HEARTH_LISTEN",              "4566",         "`listen` cannot be `4566` (variable HEARTH_LISTEN): "),
        ("HEARTH_LISTEN",              "0.0.0.0:4566", "`listen` (variable HEARTH_LISTEN): authentication is not built yet"),
        ("HEARTH_AUTH",                "sigv4",        "`auth` cannot be `sigv4` (variable HEARTH_AUTH): only `off`"),
        ("HEARTH_DATA_DIR",            "",             "`data_dir` (variable HEARTH_DATA_DIR): there is no home"),
        ("HEARTH_REGION",              "moon",         "`region` cannot be `moon` (variable HEARTH_REGION): "),
        ("HEARTH_ACCOUNT",             "12",           "`account` cannot be `12` (variable HEARTH_ACCOUNT): "),
        ("HEARTH_LOG_LEVEL",           "loud",         "`log_level` cannot be `loud`"),
        ("HEARTH_ALLOW_WEAKER",        "yes",          "`allow_weaker` cannot be `yes`"),
        ("HEARTH_ENVIRONMENTS_MAX",    "0",            "`environments_max` (variable HEARTH_ENVIRONMENTS_MAX): must be"),
        ("HEARTH_LOG_GROUP_BYTES_MAX", "5",            "`log_group_bytes_max` (variable HEARTH_LOG_GROUP_BYTES_MAX): must be"),
        ("HEARTH_SHELLS",              "65",           "`shells` (variable HEARTH_SHELLS): must be at most 64"),
        ("HEARTH_WARM_SHELLS",         "-1",           "`warm_shells` cannot be `-1`"),
        ("HEARTH_STREAM_BYTES_PER_SECOND", "5",        "`stream_bytes_per_second` (variable HEARTH_STREAM_BYTES_PER_SECOND): must be"),
        ("HEARTH_UID_BASE",            "1000",         "`uid_base` (variable HEARTH_UID_BASE): must be"),
        ("HEARTH_QUEUE",               "mysql://db",   "`queue` (variable HEARTH_QUEUE): must be empty, or"),
    ];
    for (name, value, expected) in rows {
        let error = refusal(&surroundings(&[(name, value)]), &Flags::default());
        assert!(error.starts_with(expected), "{name}={value}: {error}");
    }
}

#[test]
fn a_secret_is_neither_shown_nor_quoted() {
    let address = ("HEARTH_QUEUE", "postgres://me:hidden@127.0.0.1/jobs");
    let around = surroundings(&[address, ("HEARTH_S3_SECRET_ACCESS_KEY", "hidden")]);
    let loaded = Config::load_in(&around, &Flags::default()).unwrap();
    for key in ["queue", "s3_secret_access_key"] {
        assert_eq!(shown(key, &loaded).0, "(set)", "{key}");
    }
    assert!(!format!("{:?}", loaded.0).contains("hidden"));
    let wrong = surroundings(&[("HEARTH_QUEUE", "mysql://me:hidden@127.0.0.1/jobs")]);
    assert!(!refusal(&wrong, &Flags::default()).contains("hidden"));
}

#[test]
fn a_file_that_is_not_one_is_refused() {
    let missing = Flags { config: Some(PathBuf::from("/nowhere/hearth.toml")), ..Flags::default() };
    assert_eq!(
        refusal(&surroundings(&[]), &missing),
        "could not read the configuration file `/nowhere/hearth.toml`"
    );
    for (text, expected) in [
        ("listen = \n", "could not understand the configuration file"),
        ("[limits]\nidle_seconds = 5\n", "`limits` in `"),
        ("idle_seconds = 1.5\n", "`idle_seconds` in `"),
    ] {
        let (_directory, path) = file(text);
        let flags = Flags { config: Some(path), ..Flags::default() };
        let error = refusal(&surroundings(&[]), &flags);
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let (config, _) = Config::load_in(&surroundings(&[]), &Flags::default()).unwrap();
    let mut again = config.clone();
    for setting in SETTINGS {
        let text = (setting.show)(&config);
        assert_eq!((setting.read)(&mut again, &text), Ok(()), "{}", setting.key);
    }
    assert_eq!(again, config);
}
