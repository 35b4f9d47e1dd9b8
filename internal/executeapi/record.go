package executeapi

import (
	"encoding/json"
	"slices"

	"darkroom/internal/audit"
	"darkroom/internal/cpix"
)

// describe puts into the parameters of a record what a key request asks for: of which content, which keys, for which DRM systems. The document itself is in no record.
func describe(asked *cpix.Request, parameters map[string]any) {
	var keys, systems []string
	for _, k := range asked.Keys {
		keys = append(keys, k.ID.String())
	}
	for _, s := range asked.Systems {
		if id := s.ID.String(); !slices.Contains(systems, id) {
			systems = append(systems, id)
		}
	}
	parameters["contentId"], parameters["keyIds"], parameters["systemIds"], parameters["encrypted"] = asked.ContentID, keys, systems, asked.Certificate != nil
}

// shown makes the parameters of a record.
func shown(parameters map[string]any) func() json.RawMessage {
	return func() json.RawMessage {
		text, err := json.Marshal(parameters)
		if err != nil || len(parameters) == 0 { // texts, numbers and lists of texts have JSON
			return nil
		}
		return audit.Cut(text, audit.MaxMember)
	}
}
