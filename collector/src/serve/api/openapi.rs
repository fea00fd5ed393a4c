//! The OpenAPI document, made of the table of endpoints and of the forms of the answers.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::routes::{ENDPOINTS, Endpoint, JSON, Route};
use super::wire;
use crate::report;

/// The document as indented JSON, ending in a newline.
///
/// # Panics
/// Never: a schema is a JSON value.
#[must_use]
pub(crate) fn document() -> String {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let mut paths = Map::new();
    for endpoint in &ENDPOINTS {
        let methods = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        let operation = operation(endpoint, &mut generator);
        methods[endpoint.method.to_ascii_lowercase()] = operation;
    }
    let problem = generator.subschema_for::<wire::Problem>();
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Resus collector",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the collector knows now. Instants are decimal text in nanoseconds since the Unix epoch.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.definitions(),
            "responses": { "Problem": {
                "description": "What was found, what was expected, what to do",
                "content": { JSON: { "schema": problem } },
            } },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "token": [] }],
    });
    let mut text = serde_json::to_string_pretty(&document).expect("a document is JSON");
    text.push('\n');
    text
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let schema = match endpoint.route {
        Route::Ready => generator.subschema_for::<wire::Ready>().to_value(),
        Route::Status => generator.subschema_for::<wire::Status>().to_value(),
        Route::Diagnosis => generator.subschema_for::<wire::Live>().to_value(),
        Route::Windows => generator.subschema_for::<wire::Windows>().to_value(),
        Route::Classes => generator.subschema_for::<wire::Classes>().to_value(),
        Route::Trace => generator.subschema_for::<wire::Trace>().to_value(),
        Route::Quality => generator.subschema_for::<report::QualityJson>().to_value(),
        Route::Gauges => generator.subschema_for::<wire::Gauges>().to_value(),
        Route::AdoptBaseline => generator.subschema_for::<wire::Done>().to_value(),
        Route::OpenApi => json!({ "type": "object" }),
        Route::Health | Route::Metrics | Route::Report => json!({ "type": "string" }),
    };
    let mut content = Map::new();
    content.insert(endpoint.content_type.to_owned(), json!({ "schema": schema }));
    let mut responses = json!({
        "200": { "description": "Done", "content": content },
        "default": { "$ref": "#/components/responses/Problem" },
    });
    if endpoint.route == Route::Ready {
        responses["503"] =
            json!({ "description": "Not ready", "content": responses["200"]["content"] });
    }
    let mut parameters = Vec::new();
    if endpoint.path.contains("{trace_id}") {
        parameters.push(json!({
            "name": "trace_id", "in": "path", "required": true,
            "description": "32 hex digits",
            "schema": { "type": "string", "pattern": "^[0-9a-fA-F]{32}$" },
        }));
    }
    if endpoint.route == Route::Classes {
        parameters.push(json!({
            "name": "limit", "in": "query", "required": false,
            "description": "Classes to give at most",
            "schema": { "type": "integer", "minimum": 0, "maximum": 10_000, "default": 100 },
        }));
    }
    json!({
        "operationId": format!("{:?}", endpoint.route),
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": responses,
    })
}
