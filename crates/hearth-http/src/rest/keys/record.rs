//! What is kept of API keys and usage plans.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A key by which a client is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its id.
    pub id: String,
    /// What the client shows. No other key of the account and region has it.
    pub value: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it counts.
    pub enabled: bool,
    /// The client, as a marketplace knows it: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How much the clients of some keys may use some stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsagePlan {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which stages may be used.
    #[serde(default)]
    pub stages: Vec<PlanStage>,
    /// How fast, each key for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// How often, each key for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// A product of a marketplace: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The ids of its keys, in the order in which they came.
    #[serde(default)]
    pub keys: Vec<String>,
    /// When it was made. In the period of then, the offset of the quota counts.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A stage in a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStage {
    /// The id of the API.
    pub api: String,
    /// The name of the stage.
    pub stage: String,
    /// How fast single methods may be used, by `/pets/GET`.
    #[serde(default)]
    pub throttle: BTreeMap<String, Throttle>,
}

/// How fast something may be used. What is absent is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttle {
    /// How many requests there may be at once.
    pub burst: Option<i32>,
    /// How many requests there may be in a second.
    pub rate: Option<f64>,
}

/// How often something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How many requests there may be in a period.
    pub limit: i32,
    /// How many fewer in the first one.
    #[serde(default)]
    pub offset: i32,
    /// How long a period is.
    pub period: Period,
}

/// How long a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// From midnight to midnight, UTC.
    #[serde(rename = "DAY")]
    Day,
    /// From the beginning of Sunday.
    #[serde(rename = "WEEK")]
    Week,
    /// From the first of a month.
    #[serde(rename = "MONTH")]
    Month,
}

impl Period {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "DAY" => Some(Self::Day),
            "WEEK" => Some(Self::Week),
            "MONTH" => Some(Self::Month),
            _ => None,
        }
    }

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }
}

impl UsagePlan {
    /// What the plan says about a stage, if it is in it.
    #[must_use]
    pub fn stage(&self, api: &str, stage: &str) -> Option<&PlanStage> {
        self.stages.iter().find(|one| one.api == api && one.stage == stage)
    }
}
