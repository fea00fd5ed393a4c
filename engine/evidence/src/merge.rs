//! Many Evidences → one that is what their requests together would have made.

use resus_model::{Evidence, Fingerprint, PlaceKey, Quality, Role, Window};

use crate::canonical::{Limits, Parts, canonicalise};

/// Why Evidences do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They were made under other label or identity rules.
    #[error(
        "merge evidence made under different rules ({0}) and ({1}): summarise again with the same options"
    )]
    Rules(Fingerprint, Fingerprint),
    /// There is nothing to merge.
    #[error("merge no evidence at all: name at least one")]
    Nothing,
}

/// Merges Evidences. Associative and commutative, exactly; the window becomes the smallest that
/// holds all, the role that of the first by order of roles.
///
/// # Errors
/// When there is none, or when they were made under different rules.
pub fn merge(list: &[&Evidence], limits: Limits) -> Result<Evidence, MergeError> {
    let Some(first) = list.first() else { return Err(MergeError::Nothing) };
    if let Some(other) = list.iter().find(|e| e.rules != first.rules) {
        let mut pair = [first.rules.clone(), other.rules.clone()];
        pair.sort();
        let [a, b] = pair;
        return Err(MergeError::Rules(a, b));
    }
    if let [one] = list
        && one.classes.len() <= limits.classes
    {
        return Ok((*one).clone());
    }
    let mut parts = Parts {
        rules: first.rules.clone(),
        role: first.role,
        window: first.window,
        exactness: first.exactness,
        names: Vec::new(),
        operations: Vec::new(),
        shapes: Vec::new(),
        classes: Vec::new(),
        marginals: Vec::new(),
        places: Vec::new(),
        operation_stats: Vec::new(),
        edges: Vec::new(),
        productions: Vec::new(),
        peers: Vec::new(),
        attributes: Vec::new(),
        attribute_rows: Vec::new(),
        quality: Quality::default(),
    };
    for evidence in list {
        append(&mut parts, evidence);
    }
    Ok(canonicalise(parts, limits))
}

/// Merges panes (and anything else) of equal role into stretches of `pane_ns`, on the grid of the
/// epoch. Evidences that cross a grid line stay with the stretch in which they begin.
///
/// # Errors
/// When they were made under different rules.
///
/// # Panics
/// When the length is 0.
pub fn coarsen_panes(
    list: &[Evidence],
    pane_ns: u64,
    limits: Limits,
) -> Result<Vec<Evidence>, MergeError> {
    let mut sorted: Vec<(u64, &Evidence)> =
        list.iter().map(|e| (e.window.from / pane_ns, e)).collect();
    sorted.sort_by_key(|(i, e)| (*i, e.window));
    let mut out = Vec::new();
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let members: Vec<&Evidence> = group.iter().map(|(_, e)| *e).collect();
        let mut pane = merge(&members, limits)?;
        let from = group[0].0 * pane_ns;
        pane.window = Window { from, to: from.saturating_add(pane_ns) };
        pane.role = Role::Pane;
        out.push(pane);
    }
    Ok(out)
}

/// Appends an Evidence's tables, its numbers shifted behind those already there.
fn append<'a>(parts: &mut Parts<'a>, evidence: &'a Evidence) {
    let Evidence {
        rules: _,
        role,
        window,
        exactness,
        names,
        operations,
        shapes,
        classes,
        marginals,
        places,
        operation_stats,
        edges,
        productions,
        peers,
        attributes,
        attribute_rows,
        quality,
    } = evidence;
    let shift = |n: usize| u32::try_from(n).expect("tables hold fewer than 2^32 rows");
    let (n, o) = (shift(parts.names.len()), shift(parts.operations.len()));
    let (s, c) = (shift(parts.shapes.len()), shift(parts.classes.len()));

    parts.role = parts.role.min(*role);
    parts.window = parts.window.hull(*window);
    parts.exactness = parts.exactness.max(*exactness);
    parts.quality.merge(quality);
    parts.names.extend(names.texts().iter().map(String::as_str));
    parts.operations.extend(operations.iter().map(|op| {
        let mut op = *op;
        op.service += n;
        op.namespace += n;
        op.operation += n;
        op
    }));
    parts.shapes.extend(shapes.iter().cloned().map(|mut shape| {
        shape.0.iter_mut().for_each(|node| node.operation += o);
        shape
    }));
    parts.classes.extend(classes.iter().cloned().map(|mut class| {
        class.key.entry = class.key.entry.map(|e| e + o);
        class.key.shape = class.key.shape.map(|x| x + s);
        class.key.operations.iter_mut().for_each(|x| *x += o);
        class.key.origins.iter_mut().for_each(|x| *x += o);
        for span in class.exemplars.iter_mut().flat_map(|e| &mut e.spans) {
            span.operation += o;
            span.instance += n;
        }
        class
    }));
    parts.marginals.extend(marginals.iter().cloned().map(|mut m| {
        m.key.class += c;
        m.key.service += n;
        m.key.namespace += n;
        m.key.value += n;
        m
    }));
    parts.places.extend(places.iter().cloned().map(|mut place| {
        let PlaceKey { service, namespace, instance, version, host } = &mut place.key;
        [service, namespace, instance, version, host].into_iter().for_each(|name| *name += n);
        place
    }));
    parts.operation_stats.extend(operation_stats.iter().cloned().map(|mut stats| {
        stats.entry = stats.entry.map(|e| e + o);
        stats.operation += o;
        stats.error_types.iter_mut().for_each(|(name, _)| *name += n);
        stats
    }));
    parts.edges.extend(edges.iter().cloned().map(|mut edge| {
        edge.key.entry = edge.key.entry.map(|e| e + o);
        edge.key.parent = edge.key.parent.map(|p| p + o);
        edge.key.child += o;
        edge
    }));
    parts.productions.extend(productions.iter().cloned().map(|mut p| {
        p.key.entry = p.key.entry.map(|e| e + o);
        p.key.operation += o;
        p.key.children.iter_mut().for_each(|(x, _)| *x += o);
        p
    }));
    parts.peers.extend(peers.iter().cloned().map(|mut peer| {
        peer.key.entry = peer.key.entry.map(|e| e + o);
        peer.key.operation += o;
        peer.key.peer += n;
        peer
    }));
    parts.attributes.extend(attributes.iter().cloned().map(|mut a| {
        a.class += c;
        a.attribute += n;
        a.value += n;
        a
    }));
    parts.attribute_rows.extend(attribute_rows.iter().cloned().map(|mut row| {
        row.class += c;
        row.values.iter_mut().for_each(|(a, v)| {
            *a += n;
            *v += n;
        });
        row
    }));
}
