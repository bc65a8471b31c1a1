// SPDX-License-Identifier: Apache-2.0
// Every act of a person asks once more and asks why: both go into the job's events and Airflow's audit log.
import { Box, Button, CloseButton, Dialog, Field, Input, Portal, Stack } from "@chakra-ui/react";
import { type FormEvent, type ReactNode, useState } from "react";
import { Problem } from "../api/client";
import { ProblemAlert } from "./Feedback";

interface ReasonDialogProps {
  title: string;
  /** The verb on the button. */
  confirm: string;
  children: ReactNode;
  harmful?: boolean;
  size?: "md" | "lg";
  /** More to fill in is missing. */
  incomplete?: boolean;
  onConfirm: (reason: string) => Promise<void>;
  onClose: () => void;
}

export const ReasonDialog = (props: ReasonDialogProps) => {
  const { title, confirm, children, harmful, incomplete, size = "md", onConfirm, onClose } = props;
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    onConfirm(reason.trim())
      .then(onClose)
      .catch((error: unknown) => {
        setProblem(error instanceof Problem ? error : new Problem(0, "Failed", String(error)));
        setBusy(false);
      });
  };

  return (
    <Dialog.Root onOpenChange={({ open }) => open || onClose()} open role="alertdialog" scrollBehavior="inside" size={size}>
      <Portal>
        <Dialog.Backdrop />
        <Dialog.Positioner>
          <Dialog.Content asChild>
            <form onChange={() => setProblem(undefined)} onSubmit={submit}>
              <Dialog.Header>
                <Dialog.Title>{title}</Dialog.Title>
              </Dialog.Header>
              <Dialog.Body>
                <Stack gap={4}>
                  {children}
                  <Field.Root required>
                    <Field.Label>
                      Reason <Field.RequiredIndicator />
                    </Field.Label>
                    <Input
                      autoComplete="off"
                      maxLength={1000}
                      onChange={(event) => setReason(event.currentTarget.value)}
                      placeholder="For those who read the events later"
                      value={reason}
                    />
                  </Field.Root>
                </Stack>
              </Dialog.Body>
              {problem === undefined ? undefined : (
                <Box px={6}><ProblemAlert problem={problem} what="Nothing was changed" /></Box>
              )}
              <Dialog.Footer>
                <Button disabled={busy} onClick={onClose} variant="outline">
                  Back
                </Button>
                <Button
                  colorPalette={harmful ? "danger" : "brand"}
                  disabled={reason.trim() === "" || incomplete}
                  loading={busy}
                  type="submit"
                >
                  {confirm}
                </Button>
              </Dialog.Footer>
              <Dialog.CloseTrigger asChild>
                <CloseButton aria-label="Close" size="sm" />
              </Dialog.CloseTrigger>
            </form>
          </Dialog.Content>
        </Dialog.Positioner>
      </Portal>
    </Dialog.Root>
  );
};
