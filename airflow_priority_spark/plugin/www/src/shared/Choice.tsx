// SPDX-License-Identifier: Apache-2.0
import { Field, NativeSelect } from "@chakra-ui/react";

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (string | { value: string; label: string })[];
  onChange: (value: string) => void;
  /** What the empty value says; without it there is none. */
  any?: string;
  width?: string;
}

/** A labelled select; the browser's own, since that works with every keyboard and screen reader. */
export const Choice = ({ label, value, options, onChange, any, width = "40" }: ChoiceProps) => (
  <Field.Root width={width}>
    <Field.Label color="fg.muted" fontSize="xs">{label}</Field.Label>
    <NativeSelect.Root size="sm">
      <NativeSelect.Field onChange={(event) => onChange(event.currentTarget.value)} value={value}>
        {any === undefined ? undefined : <option value="">{any}</option>}
        {options.map((option) => {
          const { value: key, label: text } = typeof option === "string" ? { value: option, label: option } : option;
          return (
            <option key={key} value={key}>
              {text}
            </option>
          );
        })}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  </Field.Root>
);
