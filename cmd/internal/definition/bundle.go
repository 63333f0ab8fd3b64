package definition

import (
	"encoding/json"
	"errors"
	"fmt"
)

// InBundle is a bundle's config.json with the hook at both stages, in place of an earlier entry of it;
// without is one with none. All else stays as it is, but the order of names.
func InBundle(config []byte, h Hook) ([]byte, error) {
	return edit(config, map[string][]command{"createRuntime": {h.attach()}, "poststop": {h.release()}})
}

// WithoutHook is a bundle's config.json without the hook.
func WithoutHook(config []byte) ([]byte, error) { return edit(config, nil) }

// edit takes the hook out of every stage, and puts commands at the end of some.
func edit(config []byte, with map[string][]command) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(config, &doc); err != nil {
		return nil, err
	}
	if _, ok := doc["ociVersion"]; !ok {
		return nil, errors.New("no ociVersion: not the config.json of a bundle")
	}
	var stages map[string][]json.RawMessage
	if had, ok := doc["hooks"]; ok {
		if err := json.Unmarshal(had, &stages); err != nil {
			return nil, fmt.Errorf("hooks: %w", err)
		}
	}
	if stages == nil {
		stages = map[string][]json.RawMessage{}
	}
	for stage, hooks := range stages {
		rest, err := withoutHook(hooks)
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", stage, err)
		}
		if stages[stage] = rest; len(rest) == 0 {
			delete(stages, stage)
		}
	}
	for stage, commands := range with {
		for _, c := range commands {
			stages[stage] = append(stages[stage], encode(c))
		}
	}
	if delete(doc, "hooks"); len(stages) > 0 {
		doc["hooks"] = encode(stages)
	}
	return encode(doc), nil
}

// withoutHook are those of a stage that are not the hook.
func withoutHook(hooks []json.RawMessage) (rest []json.RawMessage, err error) {
	for _, raw := range hooks {
		var c struct{ Path string }
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		if !isHook(c) {
			rest = append(rest, raw)
		}
	}
	return rest, nil
}
