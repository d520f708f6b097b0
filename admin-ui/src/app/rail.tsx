import { Menu, UnstyledButton } from '@mantine/core'
import { Link, useLocation } from '@tanstack/react-router'
import { EnvironmentIcon, FlagIcon, InstanceIcon, LogIcon, Mark, MoreIcon, SegmentIcon, TokenIcon } from '../components/icons'
import classes from './rail.module.css'

const places = [
  { to: '/p/$project/flags', name: 'Flags', Icon: FlagIcon, phone: true },
  { to: '/p/$project/segments', name: 'Segments', Icon: SegmentIcon, phone: true },
  { to: '/p/$project/environments', name: 'Environments', Icon: EnvironmentIcon, phone: false },
  { to: '/p/$project/log', name: 'Log', Icon: LogIcon, phone: true },
  { to: '/p/$project/instances', name: 'Instances', Icon: InstanceIcon, phone: true },
  { to: '/p/$project/tokens', name: 'Tokens', Icon: TokenIcon, phone: false },
] as const

// Rail is the navigation of a wide window, BottomBar that of a phone; one of the two is shown.
export function Rail({ project }: { project: string }) {
  return (
    <nav className={classes.rail} aria-label="Main">
      <Link to="/p/$project/flags" params={{ project }} className={classes.mark} aria-label="Dimmer: all flags">
        <Mark />
      </Link>
      {places.map(({ to, name, Icon }) => (
        <Link key={to} to={to} params={{ project }} className={classes.link} activeProps={{ 'data-active': true }} activeOptions={{ includeSearch: false }}>
          <Icon />
          <span>{name}</span>
        </Link>
      ))}
    </nav>
  )
}

export function BottomBar({ project }: { project: string }) {
  const { pathname } = useLocation()
  const more = places.some(({ to, phone }) => !phone && pathname.startsWith(to.replace('$project', project)))
  return (
    <nav className={classes.bottom} aria-label="Main">
      {places
        .filter((each) => each.phone)
        .map(({ to, name, Icon }) => (
          <Link key={to} to={to} params={{ project }} className={classes.link} activeProps={{ 'data-active': true }} activeOptions={{ includeSearch: false }}>
            <Icon />
            <span>{name}</span>
          </Link>
        ))}
      <Menu position="top-end" width={200}>
        <Menu.Target>
          <UnstyledButton className={classes.link} data-active={more || undefined}>
            <MoreIcon />
            <span>More</span>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {places
            .filter((each) => !each.phone)
            .map(({ to, name, Icon }) => (
              <Menu.Item key={to} leftSection={<Icon />} renderRoot={(props) => <Link {...props} to={to} params={{ project }} />}>
                {name}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
    </nav>
  )
}
