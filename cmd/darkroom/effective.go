package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"darkroom/internal/config"
)

// effectiveFile is in the data directory: the settings of the last start, flags included, for commands that look at the installation. The configuration has no
// secrets, only the names of files that have.
const effectiveFile = "effective.yaml"

// writeEffective writes down the settings that are in force.
func writeEffective(cfg config.Config) error {
	text, err := settingsText(cfg)
	if err != nil {
		return fmt.Errorf("write down the settings: %w", err)
	}
	name := filepath.Join(cfg.Data, effectiveFile)
	if err := os.WriteFile(name+".tmp", text, 0o600); err != nil {
		return fmt.Errorf("write down the settings: %w", err)
	}
	return os.Rename(name+".tmp", name)
}

// settingsText writes a configuration so that it is read as the same again. Lists that are empty are left out: for some, none and empty are not the same.
func settingsText(cfg config.Config) ([]byte, error) {
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	var all yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &all, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	return yaml.Marshal(withoutEmptyLists(all))
}

func withoutEmptyLists(m yaml.MapSlice) yaml.MapSlice {
	var out yaml.MapSlice
	for _, e := range m {
		switch v := e.Value.(type) {
		case []any:
			if len(v) == 0 {
				continue
			}
			for i, member := range v {
				if inner, ok := member.(yaml.MapSlice); ok {
					v[i] = withoutEmptyLists(inner)
				}
			}
		case yaml.MapSlice:
			e.Value = withoutEmptyLists(v)
		}
		out = append(out, e)
	}
	return out
}

// inspectedConfig is the configuration that an installation is looked at with: that of a file; else of the last start; else the default one. from says which.
func inspectedConfig(file, data string) (cfg config.Config, from string, err error) {
	if file != "" {
		cfg, err = keysConfig(file, data)
		return cfg, "the file " + file, err
	}
	if data == "" {
		data = config.Default().Data
	}
	path := filepath.Join(data, effectiveFile)
	cfg, err = config.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		cfg, err = keysConfig("", data)
		return cfg, "the defaults: no server of this version has started on " + data, err
	case err != nil:
		return cfg, "", &usageError{err.Error() + "; name the configuration with --config"}
	}
	cfg.Data = data // where it is now
	return cfg, "the last start", nil
}

// settingsOf are the settings by the keys of the configuration file.
func settingsOf(cfg config.Config) (map[string]any, error) {
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, yaml.Unmarshal(text, &out)
}
