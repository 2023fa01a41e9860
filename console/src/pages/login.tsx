import { Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { ask } from "../api/client.ts";
import { queryClient } from "../api/query-client.ts";
import { useTitle } from "../parts/page.tsx";
import { Logo } from "../shell/logo.tsx";

export function Login() {
  useTitle("Sign in");
  const { next } = useSearch({ from: "/login" });
  const router = useRouter();
  const [isRunning, setRunning] = useState(false);
  const form = useForm({
    initialValues: { email: "", password: "" },
    validate: {
      email: (value) => (value.includes("@") ? null : "Your e-mail, such as admin@btar.local"),
      password: (value) => (value === "" ? "Your password" : null),
    },
  });
  const signIn = async (values: typeof form.values) => {
    setRunning(true);
    try {
      await ask("POST", "/btar/session", values);
      queryClient.clear();
      router.history.push(next ?? "/");
    } catch (error) {
      form.setFieldError("password", error instanceof Error ? error.message : String(error));
      setRunning(false);
    }
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper className="card" p="xl" w="100%" maw={400}>
        <form onSubmit={form.onSubmit((values) => void signIn(values))} noValidate>
          <Stack>
            <Stack gap={6} align="center" mb="xs">
              <Logo size={44} />
              <Title order={1} size="h3">
                Sign in to btar
              </Title>
              <Text size="sm" c="dimmed" ta="center">
                Backups in a second region, and forks from them
              </Text>
            </Stack>
            <TextInput label="E-mail" type="email" autoComplete="username" autoFocus {...form.getInputProps("email")} />
            <PasswordInput label="Password" autoComplete="current-password" {...form.getInputProps("password")} />
            <Button type="submit" loading={isRunning} fullWidth>
              Sign in
            </Button>
            <Text size="xs" c="dimmed">
              The first start of btar writes the administrator&apos;s password into the file <code>admin-password</code>{" "}
              of its data directory.
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
