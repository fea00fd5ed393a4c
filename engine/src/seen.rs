//! Which services does the Evidence speak of, with which operations, instances, hosts, versions?

use std::collections::BTreeMap;

use resus_model::{Evidence, MarginalKind};
use resus_plan::SeenService;

/// All services, ascending: what a restart tree is inferred from and checked against.
#[must_use]
pub fn seen_services(evidence: &[Evidence]) -> Vec<SeenService> {
    let mut seen: BTreeMap<(String, String), SeenService> = BTreeMap::new();
    for one in evidence {
        let text = |n: u32| one.names.text(n).to_owned();
        for op in &one.operations {
            let service = service(&mut seen, text(op.namespace), text(op.service));
            service.operations.insert(text(op.operation));
        }
        for marginal in &one.marginals {
            let key = &marginal.key;
            let service = service(&mut seen, text(key.namespace), text(key.service));
            let values = match key.kind {
                MarginalKind::Instance => &mut service.instances,
                MarginalKind::Host => &mut service.hosts,
                MarginalKind::Version => &mut service.versions,
                MarginalKind::Slot => continue,
            };
            values.insert(text(key.value));
        }
    }
    seen.into_values().collect()
}

fn service(
    seen: &mut BTreeMap<(String, String), SeenService>,
    namespace: String,
    service: String,
) -> &mut SeenService {
    seen.entry((namespace.clone(), service.clone())).or_insert_with(|| SeenService {
        namespace,
        service,
        operations: Default::default(),
        instances: Default::default(),
        hosts: Default::default(),
        versions: Default::default(),
    })
}
