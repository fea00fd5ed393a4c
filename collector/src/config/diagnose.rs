//! `[rules]` and `[diagnose]`: what a failed request is, and when a component is a suspect.

use resus_model::{ClientErrors, Level, Rules};
use resus_suspects::{Coefficient, Config, Linkage, Method};

use super::keys::{Keys, Section};
use super::value::{Choice, Count, Flag, Real};

const CLIENT_ERRORS: [(&str, ClientErrors); 2] =
    [("pass", ClientErrors::Pass), ("fail", ClientErrors::Fail)];

const LEVELS: [(&str, Level); 5] = [
    ("service", Level::Service),
    ("instance", Level::Instance),
    ("operation", Level::Operation),
    ("version", Level::Version),
    ("host", Level::Host),
];

const METHODS: [(&str, Method); 2] = [("fused", Method::Fused), ("presence", Method::Presence)];

const COEFFICIENTS: [(&str, Coefficient); Coefficient::ALL.len()] = {
    let mut named = [("", Coefficient::ALL[0]); Coefficient::ALL.len()];
    let mut i = 0;
    while i < named.len() {
        named[i] = (Coefficient::ALL[i].name(), Coefficient::ALL[i]);
        i += 1;
    }
    named
};

const LINKAGES: [(&str, Linkage); Linkage::ALL.len()] = {
    let mut named = [("", Linkage::ALL[0]); Linkage::ALL.len()];
    let mut i = 0;
    while i < named.len() {
        named[i] = (Linkage::ALL[i].name(), Linkage::ALL[i]);
        i += 1;
    }
    named
};

impl Section for Rules {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self { client_errors, template_operations } = self;
        let mut verbatim = !*template_operations;
        keys.key("http_4xx", &mut Choice(client_errors, &CLIENT_ERRORS));
        keys.key("verbatim_operations", &mut Flag(&mut verbatim));
        *template_operations = !verbatim;
    }
}

impl Section for Config {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            level,
            method,
            coefficient,
            linkage,
            cut,
            min_effect,
            spread_factor,
            significance,
            min_requests,
            min_failures,
            min_passes,
            // How much a report shows, and where its windows come from, is not the operator's.
            max_suspects: _,
            max_considered: _,
            windows_chosen: _,
        } = self;
        keys.key("level", &mut Choice(level, &LEVELS));
        keys.key("method", &mut Choice(method, &METHODS));
        keys.key("coefficient", &mut Choice(coefficient, &COEFFICIENTS));
        keys.key("linkage", &mut Choice(linkage, &LINKAGES));
        keys.key("cut", &mut Real(cut, 0.0..=1.0));
        keys.key("min_effect", &mut Real(min_effect, 0.0..=1.0));
        keys.key("spread_factor", &mut Real(spread_factor, 0.0..=1_000_000.0));
        keys.key("significance", &mut Real(significance, 0.0..=1.0));
        keys.key("min_requests", &mut Count(min_requests, 1..=1_000_000_000));
        keys.key("min_failures", &mut Count(min_failures, 1..=1_000_000_000));
        keys.key("min_passes", &mut Count(min_passes, 1..=1_000_000_000));
    }
}
