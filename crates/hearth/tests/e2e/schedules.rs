//! Schedules across restarts, and with the AWS CLI as their guide shows them.

use std::path::Path;

use crate::clients::{aws_command, run_guide};
use crate::harness::Server;
use crate::tools;

/// Makes schedules that come while nobody is there, and says when they are over.
const BEFORE: &str = r#"
import datetime, os, boto3
there = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
sqs, scheduler = boto3.client("sqs", **there), boto3.client("scheduler", **there)
sqs.create_queue(QueueName="missed")
at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
for number in range(20):
    scheduler.create_schedule(
        Name=f"s{number}",
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": "arn:aws:sqs:us-east-1:000000000000:missed",
            "RoleArn": "arn:aws:iam::000000000000:role/any",
            "Input": f"s{number}",
        },
    )
"#;

/// Waits for the messages of all schedules, and for those that come again. A message that was under way
/// when a server was killed may be there twice, as everything that is delivered. A schedule that
/// happened twice would not be among a few: it was due with all others.
const AFTER: &str = r#"
import boto3, os, time
UNDER_WAY_MAX = 8
there = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
sqs, scheduler = boto3.client("sqs", **there), boto3.client("scheduler", **there)
url, found, end = sqs.get_queue_url(QueueName="missed")["QueueUrl"], [], time.monotonic() + 60
while len(set(found)) < 20 and time.monotonic() < end:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    found += [message["Body"] for message in answer.get("Messages", [])]
more = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
found += [message["Body"] for message in more.get("Messages", [])]
assert set(found) == {f"s{number}" for number in range(20)}, found
assert len(found) <= 20 + UNDER_WAY_MAX, found
while scheduler.list_schedules()["Schedules"]:
    assert time.monotonic() < end, "they stay"
    time.sleep(0.1)
"#;

fn python(server: &Server, script: &str) {
    let mut command = aws_command(server, Path::new("python3"));
    command.args(["-c", script]);
    tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_server_that_is_killed_at_their_time_lets_schedules_happen_once() {
    let server = Server::start();
    python(&server, BEFORE);
    // A second at a time, before, at and after the time for which they were made.
    let mut place = server.kill();
    for _ in 0..3 {
        let server = Server::start_at(place);
        python(&server, "import time; time.sleep(1)");
        place = server.kill();
    }
    let server = Server::start_at(place);
    python(&server, AFTER);
}

#[test]
fn the_commands_of_the_guide_to_schedules_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "schedules");
    for expected in ["schedule/default/reminder", "remember the milk", "rule/every-five-minutes"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
