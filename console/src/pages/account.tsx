import { ActionIcon, Alert, Button, PasswordInput, Stack, Table, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, path } from "../api/client.ts";
import { meQuery, tokensQuery } from "../api/queries.ts";
import type { Token } from "../api/types.ts";
import { Card } from "../parts/card.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { CopyValue } from "../parts/copy-value.tsx";
import { ListTable } from "../parts/list-table.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Moment } from "../parts/moment.tsx";
import { done } from "../parts/notify.ts";
import { Page } from "../parts/page.tsx";

/** One's own password, sessions, and tokens for programs. */
export function Account() {
  const { data: me } = useQuery(meQuery);
  const tokens = useQuery(tokensQuery);
  return (
    <Page title="Your account" about={me?.user ?? " "}>
      <Loaded query={tokens} height={500}>
        {(all) => (
          <>
            <Tokens all={all} />
            <ChangePassword />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Tokens({ all }: { readonly all: readonly Token[] }) {
  const [isAdding, setAdding] = useState(false);
  const [made, setMade] = useState<string>();
  const [removed, setRemoved] = useState<Token>();
  return (
    <>
      {made !== undefined && (
        <Alert
          color="sea"
          variant="outline"
          title="The token, shown this once"
          withCloseButton
          onClose={() => setMade(undefined)}
        >
          <CopyValue label="Token" value={made} />
        </Alert>
      )}
      <Card
        title="Sessions and tokens"
        about="For programs, and of everybody who signed in as you"
        actions={
          <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>
            New token
          </Button>
        }
        flush
      >
        <ListTable columns={["Token", "Used last", "Ends", undefined]} minWidth={600}>
          {all.map((token) => (
            <Table.Tr key={token.token_prefix}>
              <Table.Td>
                <Text size="sm" fw={600}>
                  {token.description === "" ? "no description" : token.description}
                  {token.currently_active && " · this session"}
                </Text>
                <Text size="xs" c="dimmed" className="mono">
                  {token.token_prefix}…
                </Text>
              </Table.Td>
              <Table.Td>
                <Moment at={token.last_used_time} />
                <Text size="xs" c="dimmed">
                  {token.last_ip}
                </Text>
              </Table.Td>
              <Table.Td>
                <Moment at={token.expiry_time} />
              </Table.Td>
              <Table.Td ta="right">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Revoke token ${token.token_prefix}`}
                  onClick={() => setRemoved(token)}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Table.Td>
            </Table.Tr>
          ))}
        </ListTable>
      </Card>
      {isAdding && <NewToken made={setMade} close={() => setAdding(false)} />}
      {removed && (
        <Confirm
          title="Revoke a token"
          action="Revoke"
          run={async () => {
            await ask("DELETE", path`/access_token/${removed.token_prefix}`);
            done("The token was revoked");
          }}
          close={() => setRemoved(undefined)}
        >
          <Text size="sm">Whoever uses {removed.token_prefix}… is refused from now on.</Text>
        </Confirm>
      )}
    </>
  );
}

function NewToken({ made, close }: { readonly made: (text: string) => void; readonly close: () => void }) {
  const [description, setDescription] = useState("");
  return (
    <Confirm
      title="New token"
      action="Make it"
      run={async () => {
        const { full_token } = await ask<{ full_token: string }>("POST", "/access_token", { description });
        made(full_token);
        done("The token was made");
      }}
      close={close}
    >
      {(refusal) => (
        <TextInput
          label="What it is for"
          error={refusal}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          data-autofocus
        />
      )}
    </Confirm>
  );
}

function ChangePassword() {
  const form = useForm({
    initialValues: { password: "", new_password: "" },
    validate: { new_password: (value) => (value.length < 8 ? "At least 8 characters" : null) },
  });
  const save = async (values: typeof form.values) => {
    try {
      await ask("PUT", "/me/password", values);
      form.reset();
      done("The password was changed; other sessions have ended");
    } catch (error) {
      form.setFieldError("password", error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Card title="Password">
      <form onSubmit={form.onSubmit((values) => void save(values))}>
        <Stack maw={360}>
          <PasswordInput
            label="Password until now"
            autoComplete="current-password"
            {...form.getInputProps("password")}
          />
          <PasswordInput label="New password" autoComplete="new-password" {...form.getInputProps("new_password")} />
          <Button type="submit" style={{ alignSelf: "flex-start" }}>
            Change
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
