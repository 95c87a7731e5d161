//! The bounds of REST APIs, with their reasons.

/// AWS: REST APIs of one account in one region.
pub const APIS_MAX: usize = 600;
/// AWS: resources of one API.
pub const RESOURCES_MAX: usize = 300;
/// AWS: authorizers of one API.
pub const AUTHORIZERS_MAX: usize = 10;
/// AWS: stages of one API.
pub const STAGES_MAX: usize = 10;
/// Deployments of one API. Each is a copy of its resources; AWS names no bound.
pub const DEPLOYMENTS_MAX: usize = 300;
/// AWS: the name of a stage.
pub const STAGE_NAME_CHARACTERS_MAX: usize = 128;
/// AWS: variables of one stage.
pub const STAGE_VARIABLES_MAX: usize = 100;
/// AWS: the name of a stage variable.
pub const STAGE_VARIABLE_NAME_CHARACTERS_MAX: usize = 64;
/// AWS: the value of a stage variable.
pub const STAGE_VARIABLE_CHARACTERS_MAX: usize = 512;
/// Settings of the methods of one stage: as many as a stage has methods, and those of wildcards.
pub const METHOD_SETTINGS_MAX: usize = RESOURCES_MAX * 8;
/// AWS: binary media types of one API.
pub const BINARY_TYPES_MAX: usize = 100;
/// AWS: tags of one API, stage, key or plan.
pub const TAGS_MAX: usize = 50;
/// AWS: the policy of an API.
pub const POLICY_BYTES_MAX: usize = 8_192;
/// AWS: API keys of one account in one region.
pub const KEYS_MAX: usize = 10_000;
/// AWS: the value of a key.
pub const KEY_CHARACTERS_MIN: usize = 20;
/// AWS: the value of a key.
pub const KEY_CHARACTERS_MAX: usize = 128;
/// AWS: usage plans of one account in one region.
pub const PLANS_MAX: usize = 300;
/// AWS: usage plans of one key.
pub const PLANS_PER_KEY_MAX: usize = 10;
/// Stages of one plan. AWS names no bound; one plan holds for as many as there may be APIs.
pub const STAGES_PER_PLAN_MAX: usize = APIS_MAX;
/// AWS: for how many days the usage of a key is known.
pub const USAGE_DAYS_MAX: usize = 90;
/// How long a count of requests may be in memory only. A crash forgets no more than this.
pub const USAGE_KEPT_AFTER_MILLIS: u64 = 1_000;
/// AWS: the shortest that an integration may be waited for.
pub const INTEGRATION_MILLIS_MIN: u32 = 50;
/// AWS: the longest that an integration may be waited for without asking for more, and how long it is
/// if nothing else is said.
pub const INTEGRATION_MILLIS_MAX: u32 = 29_000;
/// AWS: how long the answer of an authorizer may be remembered.
pub const AUTHORIZER_TTL_SECONDS_MAX: u32 = 3_600;
/// AWS: how long it is remembered if nothing else is said.
pub const AUTHORIZER_TTL_SECONDS_DEFAULT: u32 = 300;
/// AWS: how long the function of an authorizer may take.
pub const AUTHORIZER_MILLIS_MAX: u32 = 29_000;
/// How far an expression is followed that backtracks: more than any that validates a token needs, and
/// a few milliseconds of work.
pub const EXPRESSION_STEPS_MAX: usize = 100_000;
/// AWS: a request to an API.
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS: an answer through an API.
pub const RESPONSE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS: a template of a mock integration.
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
/// AWS: how large a document may be that an API is imported from.
pub const DOCUMENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// AWS: what one page of a listing has if nothing else is said.
pub const LIST_ITEMS_DEFAULT: usize = 25;
/// AWS: what one page of a listing may have.
pub const LIST_ITEMS_MAX: usize = 500;

const _: () = assert!(LIST_ITEMS_DEFAULT <= LIST_ITEMS_MAX);
const _: () = assert!(INTEGRATION_MILLIS_MIN < INTEGRATION_MILLIS_MAX);
