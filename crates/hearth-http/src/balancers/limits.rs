//! The bounds of load balancers, with their reasons.

/// AWS: application load balancers of one account in one region.
pub const BALANCERS_MAX: usize = 50;
/// AWS: listeners of one load balancer.
pub const LISTENERS_MAX: usize = 50;
/// AWS: rules of one load balancer, the default ones not counted.
pub const RULES_MAX: usize = 100;
/// AWS: target groups of one account in one region.
pub const GROUPS_MAX: usize = 3_000;
/// AWS: target groups of one load balancer.
pub const GROUPS_OF_BALANCER_MAX: usize = 100;
/// AWS: target groups of one action.
pub const GROUPS_OF_ACTION_MAX: usize = 5;
/// AWS: the weight of a target group in an action.
pub const WEIGHT_MAX: u32 = 999;
/// AWS: the lowest priority of a rule, which is the largest number.
pub const PRIORITY_MAX: u32 = 50_000;
/// AWS: values of the conditions of one rule.
pub const CONDITION_VALUES_MAX: usize = 5;
/// AWS: wildcards in the conditions of one rule.
pub const CONDITION_WILDCARDS_MAX: usize = 6;
/// AWS: a value of a condition.
pub const CONDITION_VALUE_CHARACTERS_MAX: usize = 128;
/// AWS: a method, or the name of a header, in a condition.
pub const CONDITION_NAME_CHARACTERS_MAX: usize = 40;
/// AWS: the name of a load balancer or a target group.
pub const NAME_CHARACTERS_MAX: usize = 32;
/// AWS: the body of a fixed response.
pub const FIXED_BODY_BYTES_MAX: usize = 1_024;
/// AWS: a host, a path or a query that a request is redirected to.
pub const REDIRECT_CHARACTERS_MAX: usize = 128;
/// AWS: the value of an attribute.
pub const ATTRIBUTE_BYTES_MAX: usize = 1_024;
/// AWS: tags on one resource.
pub const TAGS_MAX: usize = 50;
/// Subnets or security groups of one load balancer. AWS takes a subnet for each zone and five groups.
pub const PLACES_MAX: usize = 20;

/// AWS: what a request with a function as its target may have as its body.
pub const REQUEST_BODY_BYTES_MAX: usize = 1024 * 1024;
/// AWS: what a function may answer, as JSON.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// AWS: the first line of a request.
pub const REQUEST_LINE_BYTES_MAX: usize = 16 * 1024;
/// AWS: one header.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Health checks that run at a time, of all load balancers together: more would take the room of
/// ordinary requests. Who is due waits.
pub const CHECKS_RUNNING_MAX: usize = 32;
