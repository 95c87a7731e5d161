//! Every bound in Hearth, with its unit in its name and its reason beside it.

/// AWS: the largest request payload of a synchronous invocation.
pub const PAYLOAD_SYNC_BYTES_MAX: usize = 6 * 1024 * 1024;
/// AWS: the largest payload of an asynchronous invocation.
pub const PAYLOAD_ASYNC_BYTES_MAX: usize = 1024 * 1024;
/// AWS: the largest payload of the old operation `InvokeAsync`.
pub const PAYLOAD_INVOKE_ASYNC_BYTES_MAX: usize = 256 * 1024;
/// AWS: the largest answer of a buffered invocation; the 100 bytes are AWS's own allowance.
pub const RESPONSE_BYTES_MAX: usize = PAYLOAD_SYNC_BYTES_MAX + 100;
/// AWS: the largest answer that is streamed.
pub const STREAM_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// AWS: how much of a streamed answer may pass at once; the rest is held to a rate.
pub const STREAM_BURST_BYTES_MAX: u64 = 6 * 1024 * 1024;
/// AWS: that rate.
pub const STREAM_BYTES_PER_SECOND_DEFAULT: u64 = 2 * 1024 * 1024;
/// AWS: the lowest rate that its own supervisor can be set to.
pub const STREAM_BYTES_PER_SECOND_MIN: u64 = 32 * 1024;
/// AWS: how often more of a streamed answer is let through.
pub const STREAM_REFILL_MILLIS: u64 = 125;
/// The largest piece of a streamed answer: what the default rate lets through at a time.
pub const STREAM_PIECE_BYTES_MAX: usize = 256 * 1024;
/// What a piece of a streamed answer costs at least of its byte rate: each is a message in the server
/// and a frame on the wire, however small it is.
pub const STREAM_PIECE_COST_BYTES: u64 = 256;
/// How much of an error's description is told at the end of a streamed answer. It must fit into one
/// frame of the wire, which has 16 MB, also when each byte of it is escaped.
pub const STREAM_ERROR_BYTES_MAX: usize = 1024 * 1024;
/// Pieces of a streamed answer that may wait for the caller before the runtime's connection is not
/// read any more. Two, so that one can be taken while the other is put down.
pub const STREAM_PIECES_MAX: usize = 2;
/// AWS: how long the beginning of a streamed answer may be that says status and headers.
pub const STREAM_PRELUDE_BYTES_MAX: usize = 16 * 1024;
/// AWS: the largest request body of a control-plane call (a 50 MB archive in base64, and the rest).
pub const REQUEST_BODY_BYTES_MAX: usize = 70_167_211;
/// Bodies of all requests together, while they are read, and records of streams on their way to clients.
/// A few dozen uploads at a time.
pub const BODIES_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// AWS: the largest archive that is uploaded directly.
pub const ZIP_BYTES_MAX: usize = 52_428_800;
/// The largest archive that is fetched from a bucket: none that is larger could be unpacked.
pub const ARCHIVE_BYTES_MAX: usize = 262_144_000;
/// AWS: what an archive may hold when it is unpacked, layers included.
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// AWS: the archives of all functions and layers of an account in a region.
pub const CODE_STORAGE_BYTES_MAX: u64 = 300 * 1024 * 1024 * 1024;
/// How many entries an archive may have: a directory of a million empty files is a bomb as well.
pub const ZIP_ENTRIES_MAX: usize = 100_000;
/// Linux: the longest path that an entry may ask for.
pub const ZIP_PATH_BYTES_MAX: usize = 4_096;
/// AWS: environment variables, keys and values as one JSON text.
pub const ENVIRONMENT_BYTES_MAX: usize = 4_096;
/// AWS: tags on one resource.
pub const TAGS_MAX: usize = 50;
/// AWS: the longest that an ordinary function may run.
pub const TIMEOUT_SECONDS_MAX: u32 = 900;
/// AWS: the smallest and largest memory of an ordinary function.
pub const MEMORY_MB_MIN: u32 = 128;
/// See [`MEMORY_MB_MIN`].
pub const MEMORY_MB_MAX: u32 = 10_240;
/// AWS: the smallest and largest `/tmp`.
pub const EPHEMERAL_STORAGE_MB_MIN: u32 = 512;
/// See [`EPHEMERAL_STORAGE_MB_MIN`].
pub const EPHEMERAL_STORAGE_MB_MAX: u32 = 10_240;
/// AWS: how much memory comes with one whole virtual CPU.
pub const MEMORY_MB_PER_VCPU: u32 = 1_769;
/// AWS: how long the init phase may take before it is torn down and tried again.
pub const INIT_SECONDS_MAX: u64 = 10;
/// AWS: the same for environments that are provisioned, or the function's own limit if it is longer.
pub const INIT_SECONDS_PROVISIONED: u64 = 130;
/// AWS: executions of one account at a time.
pub const ACCOUNT_CONCURRENCY_DEFAULT: u32 = 1_000;
/// AWS: requests in a second for each execution that there may be.
pub const REQUESTS_PER_EXECUTION: u32 = 10;
/// AWS: environments that a function may gain at once, and again in each ten seconds.
pub const SCALING_PER_TEN_SECONDS: u64 = 1_000;
/// From when on a start is not counted among those that are limited: it waits for something else
/// than a processor of this host.
pub const SLOW_START_MS: u64 = 500;
/// How often the scheduler looks at everything that it knows, for what has become old.
pub const LOOK_THROUGH_MS: u64 = 1_000;
/// AWS: the decoded client context of an invocation.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// AWS: the tail of the log that an invocation hands back.
pub const LOG_TAIL_BYTES_MAX: usize = 4_096;
/// AWS: functions or versions on one page of a listing.
pub const LIST_ITEMS_MAX: usize = 50;
/// AWS: open files in an environment.
pub const OPEN_FILES_MAX: u64 = 1_024;
/// AWS: processes and threads in an environment.
pub const PROCESSES_MAX: u64 = 1_024;

/// AWS: how often an event is tried again that its function fails on, unless it is configured.
pub const EVENT_RETRIES_DEFAULT: u32 = 2;
/// AWS: how old an event may get, unless it is configured.
pub const EVENT_AGE_SECONDS_DEFAULT: u32 = 21_600;
/// AWS: how long an event waits after the first error of its function.
pub const EVENT_RETRY_MS_FIRST: u64 = 60_000;
/// AWS: how long an event waits after the second one.
pub const EVENT_RETRY_MS_SECOND: u64 = 120_000;
/// AWS: how long an event waits that could not be run; doubled each time.
pub const EVENT_BACKOFF_MS_MIN: u64 = 1_000;
/// AWS: the longest that it waits.
pub const EVENT_BACKOFF_MS_MAX: u64 = 300_000;
/// AWS: how often a function may run in one chain of invocations.
pub const RECURSIVE_INVOCATIONS_MAX: u32 = 16;
/// AWS: how much of an error is told with an event in a dead-letter queue.
pub const EVENT_ERROR_BYTES_MAX: usize = 1_024;
/// Events that are out of the queue at a time: more than an account may run, so that the queue is
/// not what limits it.
pub const EVENTS_RUNNING_MAX: usize = 2_000;
/// Of these, how many of one function: what is left is for the others.
pub const EVENTS_RUNNING_OF_FUNCTION_MAX: usize = 1_000;
/// Payloads of these together.
pub const EVENTS_RUNNING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Deliveries on their way at a time.
pub const DELIVERIES_RUNNING_MAX: usize = 512;
/// Of these, how many of one subscription, target or destination.
pub const DELIVERIES_RUNNING_OF_LANE_MAX: usize = 64;
/// Payloads of these together.
pub const DELIVERIES_RUNNING_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Entries that a lane gives at a time before it is another lane's turn.
pub const ENTRIES_OF_TURN_MAX: usize = 32;
/// Payloads of these together. An entry may have more than half of it, but none has more than all.
pub const ENTRIES_OF_TURN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries of a lane that are tried at a time before it is known how many its target takes.
pub const LANE_WINDOW_START: usize = 16;
/// How many entries must go well after one was refused before more are tried at a time.
pub const LANE_CAUTION_MIN: usize = 16;
/// How long a lane rests at the most of which nothing is taken.
pub const LANE_HOLD_MS_MAX: u64 = 10_000;
/// How long an entry is leased; leases are extended while it is worked on. It is also how long an
/// entry waits after a crash.
pub const ENTRY_LEASE_SECONDS: u64 = 30;
/// How often leases are looked at that must be extended.
pub const ENTRY_LEASE_LOOK_SECONDS: u64 = 8;
/// How often all lanes are looked at for entries that nobody has told of.
pub const LANES_LOOK_THROUGH_SECONDS: u64 = 30;
/// Lanes on one page while they are looked through.
pub const LANES_OF_PAGE_MAX: usize = 256;
/// How long to wait before the queue is asked again that has failed: a disk may be full.
pub const QUEUE_RETRY_MS: u64 = 1_000;
/// How often it is looked whether an entry whose lease has run out came back to whoever is done with
/// it. Then somebody else has it, and it is done a second time.
pub const STALE_ENTRY_LOOKS_MAX: u32 = 3;
/// How far a clock may have been set back between two runs of the server. Up to that, the queue goes
/// on from the time that it knows; beyond it, that time is taken for the wrong one.
pub const CLOCK_SET_BACK_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// How often the embedded queue notes what time it is, while something changes. It costs a page of
/// the file, and is how much may be missed.
pub const QUEUE_TIME_NOTED_MS: u64 = 10_000;
/// How often a delivery is tried again for which nobody has said how often.
pub const DESTINATION_RETRIES_MAX: u32 = 100;
/// How old such a delivery may get: as old as an event.
pub const DESTINATION_AGE_MS_MAX: u64 = 6 * 3_600 * 1_000;
/// How long a delivery waits for its place at an endpoint that gets only so many in a second. One
/// that would wait longer goes back to the queue, so that it takes no room from others.
pub const DELIVERY_WAIT_MS_MAX: u64 = 1_000;
/// How long it is remembered that an endpoint gets only so many, at the least.
pub const DELIVERY_RATE_KEPT_MS: u64 = 60_000;
/// Events of one function that were given up and are kept to be looked at; the oldest go first.
pub const EVENTS_FAILED_MAX: u64 = 1_000;
/// Events on one page of `/_hearth/events`.
pub const EVENTS_OF_PAGE_MAX: usize = 1_000;
/// Entries that are looked at for one page that shows only some of them.
pub const EVENTS_LOOKED_AT_MAX: usize = 10_000;

/// AWS: how precise schedules are. What is later than that was missed.
pub const SCHEDULE_LATE_MS: u64 = 60_000;
/// How many occurrences of one schedule are made up that were missed, if all of them are.
pub const SCHEDULE_MISSED_MAX: usize = 100;
/// How long ago they may have been then.
pub const SCHEDULE_MISSED_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// Schedules that happen in one change of the queue, if they are due together.
pub const SCHEDULES_OF_BATCH_MAX: usize = 1_000;
/// What they may have together, but for the last of them.
pub const SCHEDULES_OF_BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Schedules that are over and deleted at a time, so that their writes share a sync.
pub const SCHEDULE_TELLERS_MAX: usize = 64;
/// How long it is remembered in a queue that several servers share that something happened, beyond
/// its next time: a server that was down asks for the last time only. Clocks differ by less.
pub const SCHEDULE_REMEMBERED_MS: u64 = 3_600 * 1_000;
/// The same for what has no next time.
pub const SCHEDULE_REMEMBERED_LAST_MS: u64 = 31 * 24 * 3_600 * 1_000;
/// How far the clock may have been set back while the server was down. If it seems to be more, it was
/// wrong before.
pub const SCHEDULE_CLOCK_BACK_MS_MAX: u64 = 25 * 3_600 * 1_000;
/// The longest that is slept until the next schedule, in case somebody sets the clock forward.
pub const SCHEDULE_SLEEP_SECONDS_MAX: u64 = 60;
/// Notes of how far schedules have happened that are in the queue before older ones are removed.
pub const SCHEDULE_MARKS_MAX: usize = 64;

/// AWS: headers of a Runtime API call; an X-Ray error cause alone may have 1 MB.
pub const RUNTIME_API_HEADER_BYTES_MAX: usize = 1_200_000;
/// AWS: request line and headers of an API call.
pub const REQUEST_HEADER_BYTES_MAX: usize = 1024 * 1024;
/// AWS: request line and headers of a request for a function, as its load balancers have it.
pub const TRAFFIC_HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of such a request. Browsers send some twenty, and proxies add a few; the HTTP server has
/// room for no more, unless it is to take some from the heap for every request.
pub const TRAFFIC_HEADERS_MAX: usize = 100;
/// Headers of a response that a function gives such a request. AWS bounds their bytes, by which a
/// function has room for a few hundred; and a map of headers ends at some 24,000, with a panic.
pub const TRAFFIC_RESPONSE_HEADERS_MAX: usize = 1_000;
/// Requests at a time on one connection of HTTP/2.
pub const TRAFFIC_STREAMS_MAX: u32 = 128;
/// How often a connection of HTTP/2 is asked whether its client is still there, and how long that one
/// may take to say so.
pub const TRAFFIC_PING_SECONDS: u64 = 30;
/// How long one request on such a connection may take, its response included: several times as long as
/// a function may run.
pub const TRAFFIC_REQUEST_SECONDS_MAX: u64 = 3_600;
/// AWS: the largest frame of a WebSocket, both ways.
pub const SOCKET_FRAME_BYTES_MAX: usize = 32 * 1024;
/// AWS: the largest message of a WebSocket, both ways.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// AWS: how long a WebSocket stays open on which there are no messages.
pub const SOCKET_IDLE_MILLIS_MAX: u64 = 10 * 60 * 1_000;
/// AWS: how long a WebSocket stays open at all.
pub const SOCKET_LIFE_MILLIS_MAX: u64 = 2 * 3_600 * 1_000;
/// WebSockets at a time, if there are descriptors enough. Each costs some kilobytes here and in the
/// kernel while nothing happens on it.
pub const SOCKETS_MAX: usize = 20_000;
/// What is read from a WebSocket at a time. The buffer is there also while nothing happens, and many
/// connections are like that; messages are short. A long one makes the buffer larger until a few short
/// ones have come behind it.
pub const SOCKET_READ_BYTES: usize = 1_024;
/// The largest frame of a WebSocket that is sent through its buffer, which stays as large as what once
/// was in it; larger frames go past it. Twice that may wait there: answers to pings, and a frame.
pub const SOCKET_WRITE_BYTES_MAX: usize = 1_024;
/// Messages of one WebSocket that are worked on at a time. With more, it is not read any further.
pub const SOCKET_MESSAGES_RUNNING_MAX: usize = 16;
/// Messages that may wait for the client of one WebSocket.
pub const SOCKET_BACKLOG_MESSAGES_MAX: usize = 128;
/// What these may have together: a few of the largest.
pub const SOCKET_BACKLOG_BYTES_MAX: usize = 512 * 1024;
/// What messages may have together that wait for the clients of all WebSockets; and, for themselves,
/// those that functions work on, with their events.
pub const SOCKETS_BACKLOG_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long a client may take for one message before it is given up: the largest then comes with
/// some 4 KB in a second.
pub const SOCKET_WRITE_SECONDS_MAX: u64 = 30;
/// How long a client may take to say goodbye.
pub const SOCKET_GOODBYE_SECONDS_MAX: u64 = 2;
/// How long `$disconnect` may take for the connections that are open when the server stops: it must
/// not keep everything else from ending.
pub const SOCKETS_CLOSE_SECONDS_MAX: u64 = 5;
/// AWS: how far the time of a signature may be from ours.
pub const SIGNATURE_SKEW_SECONDS_MAX: u64 = 900;
/// AWS: how long a signed address may be valid.
pub const SIGNATURE_LIFE_SECONDS_MAX: u64 = 7 * 24 * 3_600;
/// How long a client may take to send the headers of a request: a half-open connection costs a task.
pub const HEADER_READ_SECONDS_MAX: u64 = 30;
/// How long a client may take to send a whole request body.
pub const BODY_READ_SECONDS_MAX: u64 = 300;
/// How long a client may take nothing of an answer before its connection is given up: a reader of a
/// stream may pause, but not for longer than a function may run.
pub const WRITE_STALL_SECONDS_MAX: u64 = TIMEOUT_SECONDS_MAX as u64;
/// Connections to the front door at a time; beyond that, accepting waits.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Connections from one environment to its Runtime API; Node.js opens one per pool thread.
pub const RUNTIME_CONNECTIONS_MAX: usize = 64;
/// Bodies that one environment may have the server hold at a time; it has one answer at a time.
pub const RUNTIME_BODIES_MAX: usize = 2;
/// What a runtime may say about why it could not load the function.
pub const INIT_ERROR_BYTES_MAX: usize = 256 * 1024;
/// Unanswered `next` calls of one environment. More than one comes from clients that poll again
/// on a new connection.
pub const RUNTIME_NEXT_WAITERS_MAX: usize = 32;

/// AWS: extensions of one environment.
pub const EXTENSIONS_MAX: usize = 10;
/// Linux: the longest name of a file, which is what an extension is named after.
pub const EXTENSION_NAME_BYTES_MAX: usize = 255;
/// What an extension may say in one call: events, a subscription, the description of an error.
pub const EXTENSION_BODY_BYTES_MAX: usize = 256 * 1024;
/// How much of the type of an extension's error is kept: it stands in one line of a log.
pub const EXTENSION_ERROR_TYPE_BYTES_MAX: usize = 256;
/// AWS: how long the shutdown phase takes at most if there are extensions within the runtime only.
pub const SHUTDOWN_INTERNAL_MILLIS: u64 = 500;
/// AWS: how long the shutdown phase takes at most if there are extensions of their own.
pub const SHUTDOWN_EXTERNAL_MILLIS: u64 = 2_000;
/// AWS: how much of the shutdown phase the runtime may have, if extensions wait for their part.
pub const SHUTDOWN_RUNTIME_PERCENT: u64 = 30;

/// AWS: bounds of how many bytes of telemetry are buffered, of which the least is the default.
pub const TELEMETRY_BYTES_MIN: u64 = 262_144;
/// See [`TELEMETRY_BYTES_MIN`].
pub const TELEMETRY_BYTES_MAX: u64 = 1_048_576;
/// AWS: bounds of how many events are buffered, of which the most is the default.
pub const TELEMETRY_ITEMS_MIN: u64 = 1_000;
/// See [`TELEMETRY_ITEMS_MIN`].
pub const TELEMETRY_ITEMS_MAX: u64 = 10_000;
/// AWS: bounds of how long telemetry is buffered.
pub const TELEMETRY_TIMEOUT_MILLIS_MIN: u64 = 25;
/// See [`TELEMETRY_TIMEOUT_MILLIS_MIN`].
pub const TELEMETRY_TIMEOUT_MILLIS_MAX: u64 = 30_000;
/// AWS: how long telemetry is buffered by default.
pub const TELEMETRY_TIMEOUT_MILLIS_DEFAULT: u64 = 1_000;
/// How many buffers of one subscriber may be full before events are dropped: one that is due and
/// one that fills. A batch on its way comes on top.
pub const TELEMETRY_BUFFERS_MAX: u64 = 2;
/// How many events are kept for those who subscribe later in the init phase.
pub const TELEMETRY_HELD_EVENTS_MAX: usize = 1_000;
/// How many bytes those may have.
pub const TELEMETRY_HELD_BYTES_MAX: usize = 256 * 1024;
/// How often a batch is offered before it is dropped: a server inside may not be up yet, or be busy.
pub const TELEMETRY_ATTEMPTS_MAX: u32 = 3;
/// How long to wait before a batch is offered again.
pub const TELEMETRY_RETRY_MILLIS: u64 = 100;
/// How much longer an environment stays awake so that a batch can be taken inside.
pub const TELEMETRY_GRACE_MILLIS: u64 = 50;

/// How much output of one environment may wait to be written before its pipe is left to fill up.
pub const LOG_PENDING_BYTES_MAX: usize = 256 * 1024;
/// How much output of one environment is taken per second. A flood waits in its pipe and slows
/// down the function that makes it, instead of taking the CPU that its neighbours are served with.
pub const LOG_BYTES_PER_SECOND_MAX: u64 = 4 * 1024 * 1024;
/// How much output is taken at once after a time of silence.
pub const LOG_BURST_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// What an event costs beside its bytes: a flood of empty lines is a flood as well.
pub const LOG_EVENT_COST_BYTES: u64 = 128;
/// AWS: one log event; a longer line is split.
pub const LOG_EVENT_BYTES_MAX: usize = 262_144 - 26;
/// How much of one log group is kept on disk by default before the oldest part is dropped.
pub const LOG_GROUP_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How large one file of a log group gets.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// AWS: events on one page of `FilterLogEvents` and `GetLogEvents`.
pub const LOG_EVENTS_PER_PAGE_MAX: usize = 10_000;
/// AWS: bytes on one page of `FilterLogEvents` and `GetLogEvents`.
pub const LOG_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Resources that have figures of their own in one metric; what comes for more is counted together.
/// A histogram has about 200 bytes.
pub const METRIC_RESOURCES_MAX: usize = 2_000;
/// Lanes of one kind whose depths are shown in the metrics: each is asked for one by one.
pub const METRIC_LANES_MAX: usize = 500;
/// How old the depths of lanes may be that are shown in the metrics, so that whoever looks often
/// does not cost more than whoever looks as often as is usual.
pub const METRIC_LANES_MILLIS_MAX: u64 = 5_000;

/// Messages that may wait at one environment's task. Its senders are few: the scheduler, its
/// Runtime API connections, its agent.
pub const ENVIRONMENT_MAILBOX: usize = 64;
/// Messages that may wait at the scheduler's task.
pub const SCHEDULER_MAILBOX: usize = 4_096;
/// Calls that may wait for the launcher.
pub const LAUNCHER_MAILBOX: usize = 1_024;
/// How long the walls of one environment may take to stand.
pub const WALLS_SECONDS_MAX: u64 = 20;
/// How many kinds of shells are kept ready. Each kind costs the memory of its shells: a few megabytes
/// for a bare one, some tens for one with an interpreter.
pub const SHELL_KINDS_MAX: usize = 8;
/// How many shells of one kind may be asked for. More would be built than are ever used at once.
pub const SHELLS_MAX: usize = 64;
/// How long no environment must have been built before a shell is built ahead: longer than the gaps
/// in a burst of cold starts and than most inits, which would share the processors with it; short
/// enough to be ready for the next one.
pub const SHELL_PAUSE_MILLIS: u64 = 150;
/// How often that is waited for before a shell is built all the same. A stream of cold starts
/// without a pause must not mean that there are never any shells.
pub const SHELL_PAUSES_MAX: usize = 8;
/// How long an interpreter may take to import its client before it waits. As long as an init.
pub const WARM_SECONDS_MAX: u64 = INIT_SECONDS_MAX;
/// How many file systems for `/tmp` are made ahead: as many as cold starts come at once, mostly.
pub const SCRATCH_READY_MAX: usize = 2;
/// Empty file systems for `/tmp` that are kept to be copied, one of each size. Few sizes are in use
/// at a time, and each takes an open file and some hundred kilobytes of disk.
pub const SCRATCH_SIZES_MAX: usize = 8;
/// How long the agent may take to end every process of an environment before it is torn down whole.
pub const RESET_SECONDS_MAX: u64 = 5;
/// How long `Stopping` may take before it is reported as a leak.
pub const STOP_SECONDS_MAX: u64 = 20;

/// Connections to PostgreSQL: some for changes, one that listens, the rest for leases and looks. A
/// server of a database has 100 by default, and several of ours may share it.
pub const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// How many transactions with changes are on their way at a time. While they are, what else comes is
/// gathered for the next; more of them would be smaller and not faster.
pub const POSTGRES_TRANSACTIONS_MAX: usize = 4;
/// Batches that may wait for a transaction; beyond that, callers wait.
pub const POSTGRES_MAILBOX: usize = 4_096;
/// Parts of batches that are gathered for one transaction. One batch may have more by itself.
pub const POSTGRES_GATHERED_PARTS_MAX: usize = 1_000;
/// Payload that is gathered for one transaction: it is copied once on its way.
pub const POSTGRES_GATHERED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Groups and samenesses that are gathered for one transaction. Each is a lock in memory that all
/// connections of a database server share, 6,400 by default.
pub const POSTGRES_GATHERED_LOCKS_MAX: usize = 128;
/// A larger payload is kept in a table of its own, so that leasing does not rewrite it. Below that a
/// row stays well under the 2 KB from which PostgreSQL itself takes rows apart.
pub const POSTGRES_BODY_INLINE_BYTES_MAX: usize = 1_024;
/// Entries of one lease, whatever was asked for: they are locked while it is made.
pub const POSTGRES_LEASE_ENTRIES_MAX: usize = 1_000;
/// Entries that are purged in one transaction, each of which may be of another group.
pub const POSTGRES_PURGE_ENTRIES: usize = 500;
/// How long PostgreSQL may take to be connected to, and again to answer. Transactions that wait that
/// long for us are given up by the database, so that a server that was cut off holds no locks.
pub const POSTGRES_SECONDS_MAX: u64 = 30;
/// How often changes are tried that PostgreSQL undid because they came in each other's way.
pub const POSTGRES_ATTEMPTS_MAX: u32 = 5;
/// How long to wait after a connection was lost, before the next attempt.
pub const POSTGRES_PAUSE_MILLIS: u64 = 250;
/// PostgreSQL: the largest notification, less one.
pub const POSTGRES_NEWS_BYTES_MAX: usize = 7_999;
/// Lanes that are read at a time when all of them are looked at.
pub const POSTGRES_LANES_PER_PAGE: usize = 1_000;
/// How often all lanes are looked at for what another server did not come to tell.
pub const POSTGRES_LOOK_SECONDS: u64 = 60;
/// How long a batch of a stream waits before it is run again after the function has failed for the
/// first time; twice as long each time after that.
pub const SHARD_RETRY_MILLIS_MIN: u64 = 250;
/// The longest such wait, so that a function that is well again is found out soon.
pub const SHARD_RETRY_MILLIS_MAX: u64 = 30_000;
/// Bytes of records of one shard that wait beside those that the function has. A batch more than one
/// lane can have, so that the next batch is there when one is done.
pub const SHARD_WAITING_BYTES_MAX: usize = 3 * PAYLOAD_SYNC_BYTES_MAX;
/// Bytes of records of all shards, partitions and queues together that are here while the function has or
/// awaits them. Enough for a dozen shards at their own bound, and for forty batches of queues that are as
/// large as an event may be; beyond it, each has one batch at a time.
pub const SOURCES_WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What messages of a queue may have as they stand in an event that are taken at a time: the payload of a
/// receive, which is 1 MiB, with quotes and ends of lines written as two bytes.
pub const QUEUE_TAKE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Records of one shard that may always wait, so that small batches do not need a read for each.
pub const SHARD_WAITING_RECORDS_MIN: usize = 1_000;
/// AWS: records of one read of a shard.
pub const SHARD_READ_RECORDS_MAX: usize = 10_000;
/// AWS: the state of a tumbling window. A larger one ends the window early.
pub const WINDOW_STATE_BYTES_MAX: usize = 1024 * 1024;
/// How long records of a tumbling window may come behind its end before it is finished without them.
/// AWS waits for up to two minutes; clocks of one host do not differ, and others are set by NTP.
pub const WINDOW_GRACE_MILLIS: u64 = 2_000;
/// How long a checkpoint may lag behind while only records pass that nobody has to deal with.
pub const CHECKPOINT_LAG_MILLIS_MAX: u64 = 5_000;
/// How long a shard stays with a server that does not say that it is there. With the time between two
/// looks, it is taken over within 10 seconds.
pub const SHARD_LEASE_MILLIS: u64 = 7_000;
/// How often a server says that it is there, and looks for shards that nobody reads.
pub const SHARD_LOOK_MILLIS: u64 = 2_000;
/// Shards of one mapping that one server reads. AWS has no such number; a task and a checkpoint stand
/// for each.
pub const SHARDS_READ_MAX: usize = 1_000;
/// How often the shards of a stream are listed that does not tell when they have changed.
pub const SHARDS_LIST_SECONDS: u64 = 10;
/// How often a stream is looked at that tells, and where nobody else takes shards: for nothing but
/// shards that have ended and are not listed any more.
pub const SHARDS_UNTOLD_SECONDS: u64 = 600;
/// AWS: reads of a shard of DynamoDB are so long apart.
pub const DYNAMODB_READ_MILLIS: u64 = 250;
/// AWS: records of one read of a shard of DynamoDB.
pub const DYNAMODB_READ_RECORDS_MAX: usize = 1_000;
/// What an answer of DynamoDB Streams may have: AWS's 1 MB of records, whose images are twice there and
/// whose binary parts are Base64, with room.
pub const DYNAMODB_ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Shards of a stream of DynamoDB that are listed, and pages of that list: those of a day of a table with a
/// petabyte. Who lists more lists without end.
pub const DYNAMODB_SHARDS_MAX: usize = 1_000_000;
/// How long what the server began to do may take when it ends, after functions have ended. A client that
/// does not read its answer cannot hold it up for longer.
pub const END_GRACE_SECONDS: u64 = 2;
/// The longest wait before a stream is asked again that did not answer.
pub const SOURCE_RETRY_MILLIS_MAX: u64 = 5_000;
/// The first such wait.
pub const SOURCE_RETRY_MILLIS_MIN: u64 = 200;
/// How long a broker or a cluster may take to answer, connecting included. Longer is as good as never,
/// and another connection is tried.
pub const SOURCE_ANSWER_SECONDS_MAX: u64 = 30;
/// Levels of tables and arrays in each other that the headers of a message of RabbitMQ may have. Who
/// reads them calls itself for each level, and the stack of its thread has 2 MiB.
pub const RABBIT_HEADER_LEVELS_MAX: usize = 64;
/// What a frame of RabbitMQ may have, all in all: what its brokers send if nobody has changed it.
pub const RABBIT_FRAME_BYTES_MAX: u32 = 128 * 1024;
/// What a byte of headers may take in memory when it is read: most are less, and an array of nothings
/// is as bad as this.
pub const RABBIT_HEADER_BYTES_EACH: usize = 32;
/// What a message takes in memory beside its headers and its body.
pub const RABBIT_MESSAGE_BYTES: usize = 1_024;
/// Bytes of messages of one queue that wait beside those that the function has. Nothing more is read
/// until there are fewer. The next batch is there when one is done.
pub const RABBIT_WAITING_BYTES_MAX: usize = 3 * PAYLOAD_SYNC_BYTES_MAX;
/// How often a client that waits because of that is told that its connection is alive. A client gives
/// up after two of the broker's heartbeats, which come once a second at the most.
pub const RABBIT_ALIVE_MILLIS: u64 = 500;
/// How long a group of Kafka keeps the partitions of a member that does not say that it is there. With
/// two heartbeats, they are taken over within 10 seconds. The brokers' usual minimum is 6 seconds.
pub const KAFKA_SESSION_MILLIS: u32 = 8_000;
/// How often a member says so.
pub const KAFKA_HEARTBEAT_MILLIS: u64 = 2_000;
/// How long a group waits for members that finish their batches before partitions are shared out anew:
/// AWS's longest run of a function that reads Kafka, and a minute.
pub const KAFKA_REBALANCE_MILLIS_MAX: u32 = 900_000;
/// How often the leader of a group looks whether its topic has got more partitions.
pub const KAFKA_LOOK_SECONDS: u64 = 30;
/// How long a broker waits for records when there are none. It answers as soon as there are.
pub const KAFKA_FETCH_WAIT_MILLIS: u32 = 10_000;
/// Bytes of a partition that are fetched at a time, compressed as they are; one batch is always fetched.
pub const KAFKA_FETCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is fetched of a partition at its tip, and set aside for it: a thousand partitions in which nothing
/// happens do not take the room of those in which something does.
pub const KAFKA_TIP_BYTES: usize = 64 * 1024;
/// Headers of a record that are kept. Each takes ten bytes of an event at the least, so that a record with
/// as many is too large for one, as with more. In a record they take two bytes and fifty in memory.
pub const KAFKA_RECORD_HEADERS_MAX: usize = PAYLOAD_SYNC_BYTES_MAX / 10;
/// How far the times of records of one partition may be from their order: its producers have clocks of
/// their own. So much comes again where nothing but the time tells what is new.
pub const KAFKA_CLOCKS_DIFFER_MILLIS_MAX: i64 = 300_000;
/// What an answer of a broker with records may have. A single batch may be as large as its topic allows.
pub const KAFKA_ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// What any other answer may have: brokers, partitions, members of a group. It takes up to seven times as
/// much when it is read, and some come from whoever answers at the address.
pub const KAFKA_ANSWER_BYTES_WITHOUT_RECORDS_MAX: usize = 16 * 1024 * 1024;
/// What a batch may be decompressed to.
pub const KAFKA_BATCH_BYTES_MAX: usize = 128 * 1024 * 1024;
/// What is taken of an answer at a time, in memory: an answer may be a hundred times as large when it
/// is decompressed, or have very many records without anything in them. About what waits for a function.
pub const KAFKA_PORTION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is written in one batch. Brokers take 1 MiB if nobody has changed it.
pub const KAFKA_PRODUCE_BYTES_MAX: usize = 900 * 1024;
/// What a request that writes may have. Brokers hang up at 100 MiB if nobody has changed it, instead of
/// saying that it is too large.
pub const KAFKA_REQUEST_BYTES_MAX: usize = 96 * 1024 * 1024;
/// How often a password is hashed at the least (RFC 7677): who listens, or says to be the broker, is not
/// to find it by trying.
pub const KAFKA_SCRAM_ITERATIONS_MIN: u32 = 4_096;
/// How often a password is hashed at the most because a broker says so: ten times as often as is usual,
/// and a fraction of a second.
pub const KAFKA_SCRAM_ITERATIONS_MAX: u32 = 100_000;

const _: () = assert!(PAYLOAD_SYNC_BYTES_MAX < RESPONSE_BYTES_MAX);
const _: () = assert!(PAYLOAD_ASYNC_BYTES_MAX <= PAYLOAD_SYNC_BYTES_MAX);
// A lane that gave less than it was asked for, and less than half of the bytes, has no more: the
// largest entry is the record of an invocation, with its payload and its answer.
const _: () =
    assert!(2 * (PAYLOAD_ASYNC_BYTES_MAX + RESPONSE_BYTES_MAX) <= ENTRIES_OF_TURN_BYTES_MAX);
const _: () = assert!(ENTRIES_OF_TURN_BYTES_MAX <= EVENTS_RUNNING_BYTES_MAX);
const _: () = assert!(ENTRIES_OF_TURN_BYTES_MAX <= DELIVERIES_RUNNING_BYTES_MAX);
const _: () = assert!(QUEUE_TIME_NOTED_MS < CLOCK_SET_BACK_MS_MAX);
// A lease is extended in time also if one look is missed.
const _: () = assert!(3 * ENTRY_LEASE_LOOK_SECONDS < ENTRY_LEASE_SECONDS);
const _: () = assert!(ZIP_BYTES_MAX < REQUEST_BODY_BYTES_MAX);
// A piece that is larger than the burst would wait for ever.
const _: () = assert!(STREAM_PIECE_BYTES_MAX as u64 <= STREAM_BURST_BYTES_MAX);
const _: () = assert!(SHUTDOWN_INTERNAL_MILLIS < SHUTDOWN_EXTERNAL_MILLIS);
const _: () = assert!(SHUTDOWN_RUNTIME_PERCENT < 100);
const _: () = assert!(TELEMETRY_TIMEOUT_MILLIS_MIN < TELEMETRY_TIMEOUT_MILLIS_DEFAULT);
// Whoever takes a shard over does it within the 10 seconds that are promised.
const _: () = assert!(SHARD_LEASE_MILLIS + SHARD_LOOK_MILLIS < 10_000);
// A lease is extended in time also if one look is missed.
const _: () = assert!(3 * SHARD_LOOK_MILLIS < SHARD_LEASE_MILLIS);
// The same for partitions of Kafka, also if one heartbeat is missed.
const _: () = assert!(KAFKA_SESSION_MILLIS as u64 + KAFKA_HEARTBEAT_MILLIS <= 10_000);
const _: () = assert!(3 * KAFKA_HEARTBEAT_MILLIS < KAFKA_SESSION_MILLIS as u64);
// A flooding environment must be able to hand over at least one event.
const _: () = assert!(LOG_PENDING_BYTES_MAX > LOG_EVENT_BYTES_MAX);
const _: () = assert!(TRAFFIC_REQUEST_SECONDS_MAX > TIMEOUT_SECONDS_MAX as u64);
const _: () = assert!(SOCKET_FRAME_BYTES_MAX <= SOCKET_MESSAGE_BYTES_MAX);
const _: () = assert!(SOCKET_MESSAGE_BYTES_MAX <= SOCKET_BACKLOG_BYTES_MAX);
const _: () = assert!(SOCKET_IDLE_MILLIS_MAX < SOCKET_LIFE_MILLIS_MAX);
