//! What a diagnosis may be told. Nothing here comes from data.

use std::ops::RangeInclusive;

use resus_model::Level;

use crate::{Coefficient, DiagnoseError, Linkage};

/// Which evidence decides who is suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All kinds that the level has, the strongest of them; presence where nothing else speaks.
    Fused,
    /// Presence alone, as in Pinpoint (DSN 2002).
    Presence,
}

/// Settings of a diagnosis. [`Config::STANDARD`] is the reviewed set; there is no `Default`, so that
/// nobody gets one by accident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// What is suspected: services, operations or instances.
    pub level: Level,
    /// Which evidence decides.
    pub method: Method,
    /// By which coefficient of the 2×2 table candidates are ranked where presence decides.
    pub coefficient: Coefficient,
    /// How clusters are joined.
    pub linkage: Linkage,
    /// Where presence decides, suspects are the components in the failure vector's cluster when the
    /// dendrogram is cut at this Jaccard distance, 0 to 1. A fault that makes a share `q` of its component's requests
    /// fail lies at a distance of about `1 - q`.
    pub cut: f64,
    /// An entry operation is looked into only if its failing share exceeds the baseline's by more
    /// than this, in points of share, 0 to 1.
    pub min_effect: f64,
    /// ... and by more than this many standard deviations of the share between baseline windows.
    pub spread_factor: f64,
    /// ... and with a one-sided p-value of at most this; where presence decides, a suspect's own table
    /// must meet it too.
    pub significance: f64,
    /// Fewest requests (effective number under sampling) by which an entry operation is judged.
    pub min_requests: u64,
    /// Fewest failed requests from which these name suspects; what is slow or otherwise not as usual
    /// needs none.
    pub min_failures: u64,
    /// Fewest passed requests from which failed ones name suspects; where all kinds of evidence decide,
    /// those of healthy windows count too.
    pub min_passes: u64,
    /// Most suspects to report. Equal scores are never cut apart, so there may be a few more.
    pub max_suspects: usize,
    /// Most weaker candidates to report.
    pub max_considered: usize,
    /// True when a tool chose the windows by looking at the data: p-values are conditional on that.
    pub windows_chosen: bool,
}

impl Config {
    /// The reviewed settings: services, by Ochiai, UPGMA cut at 0.85.
    ///
    /// Why these numbers. *cut*: in the accuracy bench (`resus-bench curve`) the curve of accuracy
    /// over false positives bends there, for faults of one component and of several; a fault that hits
    /// less than one request in six of its component is out of reach. *`min_effect`*: a
    /// p99 wanders by about a point of share between healthy windows of a few hundred requests; two
    /// points lie outside. *`spread_factor`*: three standard deviations, the customary control limit
    /// (Shewhart 1931). *significance*: the p-value is only the third gate, and its counts are
    /// deflated by how much healthy windows wander; 0.001 would ask bursty systems for ten times the
    /// failures. *`min_requests`*, *`min_failures`*, *`min_passes`*: of fewer, a single odd request
    /// more or less would turn the answer.
    pub const STANDARD: Self = Self {
        level: Level::Service,
        method: Method::Fused,
        coefficient: Coefficient::Ochiai,
        linkage: Linkage::Average,
        cut: 0.85,
        min_effect: 0.02,
        spread_factor: 3.0,
        significance: 0.01,
        min_requests: 20,
        min_failures: 5,
        min_passes: 10,
        max_suspects: 20,
        max_considered: 50,
        windows_chosen: false,
    };

    /// The same by presence alone.
    pub const PINPOINT: Self = Self { method: Method::Presence, ..Self::STANDARD };

    /// Refuses numbers outside their range, NaN among them.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), DiagnoseError> {
        within("cut", self.cut, 0.0..=1.0)?;
        within("min_effect", self.min_effect, 0.0..=1.0)?;
        within("spread_factor", self.spread_factor, 0.0..=1e6)?;
        within("significance", self.significance, 0.0..=1.0)
    }
}

fn within(name: &'static str, value: f64, range: RangeInclusive<f64>) -> Result<(), DiagnoseError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (from, to) = range.into_inner();
    Err(DiagnoseError::Setting { name, value, from, to })
}
