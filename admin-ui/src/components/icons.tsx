import type { ReactNode } from 'react'

// Icons are 20 × 20, drawn with a stroke of 1.5 in the colour of the text; they are decoration beside a word, never alone.
type IconProps = { size?: number; className?: string | undefined }

function icon(shape: ReactNode) {
  return function Icon({ size = 20, className }: IconProps) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 20 20"
        fill="none"
        stroke="currentColor"
        strokeWidth={1.5}
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
        className={className}
      >
        {shape}
      </svg>
    )
  }
}

export const FlagIcon = icon(<path d="M4.5 17.5v-14M4.5 4h9.7a.6.6 0 0 1 .5.95L12.6 8l2.1 3.05a.6.6 0 0 1-.5.95H4.5" />)
export const SegmentIcon = icon(
  <>
    <circle cx="7.5" cy="7" r="2.75" />
    <path d="M2.5 16c.4-2.8 2.4-4.5 5-4.5s4.6 1.7 5 4.5M12.5 4.6a2.75 2.75 0 0 1 0 4.9M14.5 12c1.7.7 2.7 2.1 3 4" />
  </>,
)
export const EnvironmentIcon = icon(<path d="m10 2.5 7.5 4L10 10.5l-7.5-4 7.5-4ZM2.5 10l7.5 4 7.5-4M2.5 13.5l7.5 4 7.5-4" />)
export const LogIcon = icon(<path d="M3.5 5h1M3.5 10h1M3.5 15h1M7.5 5h9M7.5 10h9M7.5 15h9" />)
export const InstanceIcon = icon(
  <>
    <rect x="3" y="3.5" width="14" height="5" rx="1.5" />
    <rect x="3" y="11.5" width="14" height="5" rx="1.5" />
    <path d="M6 6h.01M6 14h.01M9.5 6h4.5M9.5 14h4.5" />
  </>,
)
export const TokenIcon = icon(
  <>
    <circle cx="7" cy="13" r="3.75" />
    <path d="m9.7 10.3 6.8-6.8M13.5 6.5l2.5 2.5" />
  </>,
)
export const SearchIcon = icon(
  <>
    <circle cx="9" cy="9" r="5.5" />
    <path d="m13.2 13.2 4 4" />
  </>,
)
export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />)
export const CrossIcon = icon(<path d="m5 5 10 10M15 5 5 15" />)
export const CheckIcon = icon(<path d="m4 10.5 4 4 8-9" />)
export const CopyIcon = icon(
  <>
    <rect x="7" y="7" width="9.5" height="9.5" rx="1.5" />
    <path d="M13 7V5a1.5 1.5 0 0 0-1.5-1.5H5A1.5 1.5 0 0 0 3.5 5v6.5A1.5 1.5 0 0 0 5 13h2" />
  </>,
)
export const MoreIcon = icon(<path d="M4.5 10h.01M10 10h.01M15.5 10h.01" strokeWidth={2.5} />)
export const ChevronIcon = icon(<path d="m5.5 8 4.5 4.5L14.5 8" />)
export const PersonIcon = icon(
  <>
    <circle cx="10" cy="7" r="3" />
    <path d="M4 16.5c.5-3.2 2.9-5 6-5s5.5 1.8 6 5" />
  </>,
)
export const WarningIcon = icon(<path d="M10 3 2.5 16.5h15L10 3ZM10 8.5v3.5M10 14.4v.01" />)
export const KillIcon = icon(<path d="M6.9 2.5h6.2l4.4 4.4v6.2l-4.4 4.4H6.9l-4.4-4.4V6.9l4.4-4.4ZM7.5 7.5l5 5M12.5 7.5l-5 5" />)
export const ArchiveIcon = icon(<path d="M2.5 4h15v3.5h-15V4ZM4 7.5V16h12V7.5M8 11h4" />)

// Mark is Dimmer's own: a knob turned up.
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M7.5 22.5A11 11 0 1 1 24.5 22.5" fill="none" stroke="var(--d-line-strong)" strokeWidth="3.5" strokeLinecap="round" />
      <path d="M7.5 22.5A11 11 0 0 1 21.5 6.2" fill="none" stroke="var(--d-amber)" strokeWidth="3.5" strokeLinecap="round" />
      <circle cx="16" cy="16" r="3.5" fill="var(--d-amber)" />
    </svg>
  )
}
