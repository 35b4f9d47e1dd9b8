package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// hiddenSetting stands for a value that might be a secret. Secrets are kept in files, whose names alone stand in the configuration; a key that sounds like one and names no file is not shown.
const hiddenSetting = "(not shown)"

var secretKey = regexp.MustCompile(`(secret|password|passphrase|token|credential)`)

// namesSecret are how keys end whose values name where a secret is, and are none.
var namesSecret = regexp.MustCompile(`(_file|_credential|_keys)$`)

// Settings returns the effective configuration, each key of the file with its value as a text: egress.allow[0].net. Keys without a value are absent. No value is a secret.
func (c Config) Settings() map[string]string {
	out := map[string]string{}
	flatten(out, "", reflect.ValueOf(c))
	return out
}

func flatten(out map[string]string, key string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if name == "" || name == "-" {
				continue
			}
			if key != "" {
				name = key + "." + name
			}
			flatten(out, name, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			flatten(out, key+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			flatten(out, key+"."+k.String(), v.MapIndex(k))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			flatten(out, key, v.Elem())
		}
	default:
		if v.IsZero() {
			return
		}
		out[key] = fmt.Sprint(v.Interface())
		if last := key[strings.LastIndexByte(key, '.')+1:]; secretKey.MatchString(last) && !namesSecret.MatchString(last) {
			out[key] = hiddenSetting
		}
	}
}
