// The shapes that this folder describes, one per file.
#pragma once

#include "tracking/usage/shape.hpp"

namespace tracking::usage::providers {

extern const shape common;               // what is the same everywhere: model, errors, cache flags, plain text fields
extern const shape bedrock;              // InvokeModel of the model families, ConverseStream
extern const shape openai_chat;          // chat completions, completions, embeddings, and the many that speak the same
extern const shape openai_responses;     // Responses API
extern const shape anthropic;            // messages
extern const shape gemini;               // generateContent, of the Gemini API and of Vertex AI
extern const shape gemini_interactions;  // Interactions API of the two
extern const shape cohere;               // chat v1 and v2
extern const shape ollama;               // /api/chat, /api/generate
extern const shape units;                // what is billed beside tokens, service tiers
extern const shape app;                  // an application's own JSON with usage in camelCase (Vercel AI SDK, Bedrock)

}  // namespace tracking::usage::providers
