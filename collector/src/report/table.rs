//! An analysis for a terminal: plain text, at most 80 columns, the answer first.

use anstyle::{AnsiColor, Style};
use resus_model::{
    Candidate, Component, DecidedBy, Diagnosis, EntryFinding, EntryState, Obstacle, Suspect,
    Verdict,
};
use resus_plan::{PlanDocument, Proposal};

use super::figures::{plural, points, probability, score, short_count, strength};
use super::quality::{QualityLine, quality};
use super::sentence::{self, Sentence};
use super::text::{clean, left, right, shorten, wrap};
use super::{Analysis, findings, method, pair, steps};

/// What fits everywhere.
const COLUMNS: usize = 80;
/// Longer names are cut in sentences: two of them and some words fit into two lines.
const NAME: usize = 56;
/// Columns for a component in the suspects' table.
const COMPONENT: usize = 25;
/// So many suspects and weaker candidates are listed.
const SUSPECTS: usize = 20;
const CONSIDERED: usize = 5;

/// Whether to colour. Who calls knows where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Plain text.
    Never,
    /// ANSI escapes for colours and weight.
    Always,
}

/// The analysis as text, ending in a newline.
#[must_use]
pub(crate) fn table(analysis: &Analysis<'_>, colour: Colour) -> String {
    let Analysis { diagnosis, quality: of_data, tree: _, proposal, meta } = *analysis;
    let mut page = Page { out: String::new(), colour };
    page.verdict(diagnosis);
    page.obstacles(&diagnosis.obstacles);
    page.entries(diagnosis);
    match &diagnosis.verdict {
        Verdict::Suspects(suspects) => page.suspects(suspects, diagnosis),
        Verdict::NoVerdict(reasons) => {
            page.heading("What to do");
            for reason in reasons {
                page.item("-", &Sentence::of(sentence::what_to_do(reason)));
            }
        }
        Verdict::Healthy => {}
    }
    page.considered(diagnosis);
    if diagnosis.verdict != Verdict::Healthy {
        page.on_every_path(&diagnosis.on_every_path);
    }
    page.proposal(diagnosis, proposal);
    page.how(diagnosis, meta.windows);
    page.quality(&quality(of_data));
    page.out
}

struct Page {
    out: String,
    colour: Colour,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Cyan.on_default().bold();

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        match self.colour {
            Colour::Never => text.to_owned(),
            Colour::Always => format!("{style}{text}{style:#}"),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let text = self.paint(BOLD, text);
        self.out.push('\n');
        self.line(&text);
    }

    /// A paragraph behind a mark: `  - text`, later lines under the text.
    fn item(&mut self, mark: &str, sentence: &Sentence) {
        let text = sentence.text_with(|name| shorten(name, NAME));
        let indent = 3 + mark.chars().count();
        let lines = wrap(&clean(&text), COLUMNS, indent, indent);
        for (i, line) in lines.iter().enumerate() {
            if i == 0 {
                self.line(&format!("  {mark} {line}"));
            } else {
                self.line(line);
            }
        }
    }

    fn paragraph(&mut self, text: &str) {
        for (i, line) in wrap(&clean(text), COLUMNS, 2, 2).iter().enumerate() {
            self.line(&if i == 0 { format!("  {line}") } else { line.clone() });
        }
    }

    fn verdict(&mut self, diagnosis: &Diagnosis) {
        let (word, style) = match &diagnosis.verdict {
            Verdict::Healthy => ("HEALTHY", GOOD),
            Verdict::NoVerdict(_) => ("NO VERDICT", WARN),
            Verdict::Suspects(_) => ("SUSPECTS", WARN),
        };
        let text = sentence::summary(diagnosis).text_with(|name| shorten(name, NAME));
        let lines = wrap(&clean(&text), COLUMNS, word.len() + 2, 0);
        let word = self.paint(style, word);
        for (i, line) in lines.iter().enumerate() {
            self.line(&if i == 0 { format!("{word}  {line}") } else { line.clone() });
        }
    }

    fn obstacles(&mut self, obstacles: &[Obstacle]) {
        if obstacles.is_empty() {
            return;
        }
        self.out.push('\n');
        let title = self.paint(WARN, "A restart will not help");
        self.line(&title);
        for obstacle in obstacles {
            self.item("!", &findings::says_obstacle(obstacle));
        }
    }

    fn entries(&mut self, diagnosis: &Diagnosis) {
        let deviating: Vec<&EntryFinding> =
            diagnosis.entries.iter().filter(|e| e.state == EntryState::Deviates).collect();
        if deviating.is_empty() {
            return;
        }
        self.heading("Entry operations that deviate");
        for finding in &deviating {
            self.line(&format!("  {}", shorten(&finding.entry.to_string(), COLUMNS - 2)));
            for line in wrap(&sentence::entry(finding), COLUMNS, 4, 4).iter().enumerate() {
                self.line(&if line.0 == 0 { format!("    {}", line.1) } else { line.1.clone() });
            }
        }
        let rest = diagnosis.entries.len() - deviating.len();
        if rest > 0 {
            let text = format!("  {} within the baseline or too rare to say", {
                plural(rest as u64, "other entry operation is", "other entry operations are")
            });
            let text = self.paint(DIM, &text);
            self.line(&text);
        }
    }

    fn suspects(&mut self, suspects: &[Suspect], diagnosis: &Diagnosis) {
        self.heading("Suspects");
        let listed = || suspects.iter().take(SUSPECTS).map(|s| &s.candidate).zip(1_usize..);
        match diagnosis.decided_by {
            DecidedBy::Presence => {
                self.candidate_header(sentence::failing(diagnosis));
                listed().for_each(|(c, rank)| self.candidate_row(&rank.to_string(), c));
            }
            DecidedBy::Evidence => {
                self.evidence_header();
                listed().for_each(|(c, rank)| self.evidence_row(&rank.to_string(), c));
            }
        }
        self.and_more(suspects.len(), SUSPECTS);
        self.heading("Proof");
        for (candidate, rank) in listed() {
            self.item(&format!("{rank:>2}"), &sentence::proof(candidate, diagnosis));
            if diagnosis.decided_by == DecidedBy::Evidence {
                self.findings(candidate);
            }
        }
        for narrower in &diagnosis.narrower {
            self.item(" >", &findings::says_narrower(narrower));
        }
        for group in sentence::groups(suspects).iter().filter(|g| g.len() > 1) {
            self.item(" =", &sentence::inseparable(group, diagnosis.decided_by));
        }
    }

    /// What else speaks against a candidate, and the pair of histograms of what is slow.
    fn findings(&mut self, candidate: &Candidate) {
        let timed = candidate.findings.iter().take(1 + findings::FURTHER);
        if let Some((finding, (now, before))) =
            timed.filter_map(|f| Some((f, f.times.as_deref()?))).next()
        {
            let lines = pair::lines(now, before);
            if !lines.is_empty() && findings::strongest(candidate) != Some(finding) {
                let whose = format!("     {}, times:", finding.subject);
                self.line(&shorten(&whose, COLUMNS));
            }
            for (label, bars) in lines {
                let label = self.paint(DIM, &left(label, 8));
                self.line(&format!("     {label} {bars}"));
            }
        }
        for finding in candidate.findings.iter().skip(1).take(findings::FURTHER) {
            self.item("  also", &findings::says(finding));
        }
    }

    fn evidence_header(&mut self) {
        let line = format!(
            "  {} {}{}  {}{}{}{}",
            left(" #", 3),
            left("component", COMPONENT),
            right("cause", 8),
            left("evidence", 14),
            right("now", 8),
            right("healthy", 8),
            right("strength", 9),
        );
        let line = self.paint(DIM, line.trim_end());
        self.line(&line);
    }

    fn evidence_row(&mut self, rank: &str, candidate: &Candidate) {
        let name = left(&shorten(&candidate.component.to_string(), COMPONENT), COMPONENT);
        let name = self.paint(BOLD, &name);
        let mut row = format!(
            "  {} {name}{}",
            left(&right(rank, 2), 3),
            right(&probability(candidate.probability), 8)
        );
        if let Some(finding) = findings::strongest(candidate) {
            row.push_str(&format!(
                "  {}{}{}{}",
                left(findings::short(finding.kind), 14),
                right(&findings::value(finding, &finding.now), 8),
                right(&findings::value(finding, &finding.baseline), 8),
                right(&strength(finding.strength), 9),
            ));
        }
        self.line(&row);
    }

    fn candidate_header(&mut self, failing: &str) {
        let top = format!(
            "{}{}{}",
            " ".repeat(2 + 4 + COMPONENT + 8),
            right(failing, 16),
            right("passed", 16)
        );
        let bottom = format!(
            "  {} {}{}{}{}{}{}{}",
            left(" #", 3),
            left("component", COMPONENT),
            right("score", 8),
            right("with", 8),
            right("without", 8),
            right("with", 8),
            right("without", 8),
            right("effect", 8),
        );
        for line in [top, bottom] {
            let line = self.paint(DIM, line.trim_end());
            self.line(&line);
        }
    }

    fn candidate_row(&mut self, rank: &str, candidate: &Candidate) {
        let presence = &candidate.presence;
        let counts = presence.counts;
        let name = left(&shorten(&candidate.component.to_string(), COMPONENT), COMPONENT);
        let name = self.paint(BOLD, &name);
        let mut row = format!("  {} {name}{}", left(&right(rank, 2), 3), {
            right(&score(candidate.score), 8)
        });
        for n in
            [counts.failed_with, counts.failed_without, counts.passed_with, counts.passed_without]
        {
            row.push_str(&right(&short_count(n), 8));
        }
        row.push_str(&right(&points(presence.effect), 8));
        self.line(&row);
    }

    fn considered(&mut self, diagnosis: &Diagnosis) {
        if diagnosis.considered.is_empty() {
            return;
        }
        self.heading("Considered, and not suspected");
        for candidate in diagnosis.considered.iter().take(CONSIDERED) {
            let sentence = Sentence::default()
                .name(&candidate.component)
                .words(format!(" ({}): ", sentence::worth(candidate, diagnosis)))
                .words(candidate.rejected.trim_end_matches('.'));
            self.item("-", &sentence.words("."));
        }
        self.and_more(diagnosis.considered.len(), CONSIDERED);
    }

    fn and_more(&mut self, all: usize, listed: usize) {
        if all > listed {
            let text = self.paint(DIM, &format!("    and {} more, all in the JSON", all - listed));
            self.line(&text);
        }
    }

    fn on_every_path(&mut self, components: &[Component]) {
        if !components.is_empty() {
            self.heading("Out of presence's reach");
            self.item("-", &sentence::on_every_path(components));
        }
    }

    fn proposal(&mut self, diagnosis: &Diagnosis, proposal: Option<&Proposal>) {
        match proposal {
            Some(Proposal::Plan(plan)) => self.plan(plan),
            // Nobody misses a plan where nothing is named.
            _ if diagnosis.suspects().is_empty() => {}
            nothing => {
                self.heading("Plan");
                self.paragraph(steps::nothing(nothing));
            }
        }
        let withheld = proposal.map(Proposal::withheld).unwrap_or_default();
        if !withheld.is_empty() {
            self.heading("Withheld");
            for one in withheld {
                self.item("-", &steps::withheld(one));
            }
        }
    }

    fn plan(&mut self, plan: &PlanDocument) {
        let title = steps::headline(plan).text_with(|name| shorten(name, 30));
        let title = shorten(&format!("Plan {}: {title}", plan.id.short()), COLUMNS);
        self.heading(&title);
        for step in &plan.steps {
            let row = format!(
                "  {} {} {} {} ",
                right(&step.order.to_string(), 2),
                left(steps::action(step.action), 7),
                left(&shorten(step.cell.as_str(), 24), 24),
                left(&shorten(step.rung.as_str(), 10), 10),
            );
            let target = shorten(&steps::target(step), COLUMNS - super::text::width(&row));
            self.line(&format!("{row}{target}"));
            let why = format!("     {}; {}", steps::because(step), steps::timing(step));
            let why = self.paint(DIM, &shorten(&why, COLUMNS));
            self.line(&why);
        }
        self.item("-", &steps::verify(&plan.verify));
        self.item("-", &steps::next_rung(&plan.next_rung));
        self.item("-", &Sentence::of(steps::limits(plan)));
    }

    fn how(&mut self, diagnosis: &Diagnosis, windows: &str) {
        self.heading("How");
        self.paragraph(&sentence::windows(diagnosis));
        if !windows.is_empty() {
            self.paragraph(windows);
        }
        if let Some(method) = method::method(diagnosis) {
            self.paragraph(&method);
        }
        for note in &diagnosis.notes {
            self.paragraph(note);
        }
    }

    fn quality(&mut self, lines: &[QualityLine]) {
        self.heading("Data quality");
        for QualityLine { label, value, bad } in lines {
            let indent = 25;
            for (i, text) in wrap(&clean(value), COLUMNS, indent, indent).iter().enumerate() {
                if i > 0 {
                    self.line(text);
                    continue;
                }
                let label = left(label, 22);
                let mark = if *bad { self.paint(WARN, "!") } else { " ".into() };
                self.line(&format!("{mark} {label} {text}"));
            }
        }
    }
}
