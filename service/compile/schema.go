package compile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/dimmerhq/dimmer/service/feature"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema checks every variant's value against the flag's JSON schema, if it has one. A schema stands alone: references to anything outside it are
// refused, since nothing is ever fetched.
func Schema(f *feature.Flag) error {
	if f.JSONSchema == nil {
		return nil
	}
	const name = "schema:flag"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(f.JSONSchema))
	if err != nil {
		return feature.Invalid("/jsonSchema", "is not JSON: %v", err)
	}
	values := make([]any, len(f.Variants))
	for i, v := range f.Variants {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(v.Value))
		if err != nil {
			return feature.Invalid(feature.Pointer("variants", i, "value"), "is not JSON: %v", err)
		}
		values[i] = value
	}
	if err := bound(document, values); err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(name, document); err != nil {
		return feature.Invalid("/jsonSchema", "cannot be used: %v", err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		return feature.Invalid("/jsonSchema", "is not a valid JSON schema: %v", cause(err))
	}
	var problems []error
	for i, value := range values {
		if err := schema.Validate(value); err != nil {
			problems = append(problems, violations(feature.Pointer("variants", i, "value"), err)...)
		}
	}
	return feature.Join(problems...)
}

// violations lists the leaves of a validation error: where in the value, and why.
func violations(path string, err error) []error {
	ve, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []error{feature.Invalid(path, "does not satisfy the flag's JSON schema")}
	}
	var out []error
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 && len(out) < 10 {
			at := path
			for _, name := range e.InstanceLocation {
				at += feature.Pointer(name)
			}
			out = append(out, feature.Invalid(at, "does not satisfy the flag's JSON schema: %s", reason(e)))
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(ve)
	return out
}

// reason is the text of one leaf, without the place, which is in the pointer.
func reason(e *jsonschema.ValidationError) string {
	text := e.Error()
	if strings.HasPrefix(text, "at '") {
		if i := strings.Index(text, "': "); i >= 0 {
			return text[i+3:]
		}
	}
	return text
}

func cause(err error) error {
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		return e.Err
	}
	return err
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %q, and references beyond the schema itself are not followed", url)
}
