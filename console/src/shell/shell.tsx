import {
  ActionIcon,
  AppShell,
  Burger,
  Menu,
  Select,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconLogout, IconMoon, IconSun, IconUserCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useParams, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { ask } from "../api/client.ts";
import { meQuery, projectsQuery } from "../api/queries.ts";
import { queryClient } from "../api/query-client.ts";
import { failed } from "../parts/notify.ts";
import { Logo } from "./logo.tsx";
import { Navigation } from "./navigation.tsx";
import classes from "./shell.module.css";

/** What is around every page: header, navigation, the way to the content. */
export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure();
  const { project } = useParams({ strict: false });
  const pathname = useRouterState({ select: ({ location }) => location.pathname });
  useEffect(close, [pathname, close]);
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: "md", collapsed: { mobile: !isOpen } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell.Header>
        <div className={classes["header"]}>
          <Burger opened={isOpen} onClick={toggle} hiddenFrom="md" size="sm" aria-label="Navigation" />
          <Link to="/" className={classes["brand"]} aria-label="btar, overview">
            <Logo />
            <Text span visibleFrom="xs" inherit>
              btar
            </Text>
          </Link>
          <ProjectChoice project={project} />
          <div style={{ flex: 1 }} />
          <ColorSchemeButton />
          <UserMenu />
        </div>
      </AppShell.Header>
      <AppShell.Navbar p="sm">
        <Navigation project={project} />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <div className={classes["main"]}>
          <Outlet />
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

function ProjectChoice({ project }: { readonly project: string | undefined }) {
  const { data = [] } = useQuery(projectsQuery);
  const navigate = useNavigate();
  return (
    <Select
      aria-label="Project"
      size="sm"
      w={{ base: 130, xs: 190 }}
      data={data.map(({ project_name }) => project_name)}
      value={project ?? null}
      placeholder="Project"
      allowDeselect={false}
      searchable={data.length > 10}
      onChange={(name) => name !== null && void navigate({ to: "/projects/$project", params: { project: name } })}
    />
  );
}

function ColorSchemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={`Use the ${other} colours`}
      onClick={() => setColorScheme(other)}
    >
      {scheme === "dark" ? <IconSun size={20} /> : <IconMoon size={20} />}
    </ActionIcon>
  );
}

function UserMenu() {
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const signOut = async () => {
    await ask("DELETE", "/btar/session");
    queryClient.clear();
    await navigate({ to: "/login" });
  };
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Your account">
          <IconUserCircle size={22} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me?.user}</Menu.Label>
        <Menu.Item component={Link} to="/account" leftSection={<IconUserCircle size={16} />}>
          Password and tokens
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut().catch(failed)}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
