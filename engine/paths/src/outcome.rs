//! When did a span fail, and when did a request?
//!
//! Rules, strongest first (OpenTelemetry semantic conventions: recording errors, HTTP, RPC):
//! 1. status OK: passed, whatever else is there;
//! 2. HTTP 499 or gRPC `CANCELLED`: the caller gave up, neither passed nor failed;
//! 3. status ERROR: failed;
//! 4. HTTP status: a server fails from 500 (from 400 where the rules say so), a client from 400;
//! 5. gRPC status: a server fails with `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`,
//!    `UNAVAILABLE`, `DATA_LOSS`, a client with everything but `OK`;
//! 6. `error.type` is present: failed;
//! 7. else passed, or unlabelled where the source keeps no status and there is no code either.
//!
//! Cancellation stands before ERROR because gRPC clients set ERROR for it. Exception events alone
//! never make a failure.

use resus_model::{ClientErrors, Kind, Outcome, Rules, SpanRow, Status};

/// gRPC `CANCELLED`.
const RPC_CANCELLED: u8 = 1;
/// gRPC codes that are errors of the server.
const RPC_SERVER_ERRORS: [u8; 6] = [2, 4, 12, 13, 14, 15];

/// What a span says about the request that it is the entry of.
#[must_use]
pub fn entry_outcome(
    kind: Kind,
    status: Status,
    http_status: u16,
    rpc_status: u8,
    has_error_type: bool,
    rules: &Rules,
) -> Outcome {
    if status == Status::Ok {
        return Outcome::Passed;
    }
    if http_status == 499 || rpc_status == RPC_CANCELLED {
        return Outcome::Cancelled;
    }
    if status == Status::Error {
        return Outcome::Failed;
    }
    let caller = matches!(kind, Kind::Client | Kind::Producer);
    let http_from = match (caller, rules.client_errors) {
        (true, _) | (false, ClientErrors::Fail) => 400,
        (false, ClientErrors::Pass) => 500,
    };
    let has_rpc = rpc_status != SpanRow::NO_RPC;
    let rpc_failed =
        has_rpc && if caller { rpc_status != 0 } else { RPC_SERVER_ERRORS.contains(&rpc_status) };
    if http_status >= http_from || rpc_failed || has_error_type {
        return Outcome::Failed;
    }
    if status == Status::Absent && http_status == 0 && !has_rpc {
        return Outcome::Unlabelled;
    }
    Outcome::Passed
}

/// True when a span failed, by the same rules. A cancelled span did not fail.
#[must_use]
pub fn span_failed(
    kind: Kind,
    status: Status,
    http_status: u16,
    rpc_status: u8,
    has_error_type: bool,
    rules: &Rules,
) -> bool {
    entry_outcome(kind, status, http_status, rpc_status, has_error_type, rules) == Outcome::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Client, Internal, Server};
    use Outcome::{Cancelled, Failed, Passed, Unlabelled};
    use Status::{Absent, Error, Ok, Unset};

    #[track_caller]
    fn check(kind: Kind, status: Status, http: u16, rpc: Option<u8>, expect: Outcome) {
        let rpc = rpc.unwrap_or(SpanRow::NO_RPC);
        assert_eq!(entry_outcome(kind, status, http, rpc, false, &Rules::STANDARD), expect);
    }

    #[test]
    fn the_strongest_rule_wins() {
        check(Server, Ok, 500, None, Passed);
        check(Server, Error, 200, None, Failed);
        check(Server, Unset, 499, None, Cancelled);
        check(Client, Error, 0, Some(1), Cancelled);
        check(Server, Unset, 500, None, Failed);
        check(Server, Unset, 404, None, Passed);
        check(Client, Unset, 404, None, Failed);
        check(Internal, Unset, 503, None, Failed);
        check(Server, Unset, 0, Some(5), Passed);
        check(Server, Unset, 0, Some(14), Failed);
        check(Client, Unset, 0, Some(5), Failed);
        check(Client, Unset, 0, Some(0), Passed);
        check(Server, Unset, 0, None, Passed);
        check(Server, Absent, 0, None, Unlabelled);
        check(Server, Absent, 200, None, Passed);
    }

    #[test]
    fn client_errors_fail_where_the_rules_say_so_and_error_types_always_do() {
        let strict = Rules { client_errors: ClientErrors::Fail, ..Rules::STANDARD };
        let none = SpanRow::NO_RPC;
        assert_eq!(entry_outcome(Server, Unset, 404, none, false, &strict), Failed);
        assert_eq!(entry_outcome(Server, Unset, 200, none, true, &Rules::STANDARD), Failed);
        assert!(!span_failed(Server, Ok, 200, none, true, &Rules::STANDARD));
    }
}
