import { useElementSize } from '@mantine/hooks'
import { useId } from 'react'
import type { ReactNode } from 'react'
import { type AssignmentPiece, type ExposurePiece, place } from '../../lib/hashline'
import { buckets } from '../../lib/percent'
import classes from './HashLine.module.css'
import type { Tone } from './variants'

const spill = 72 // pixels that the light reaches beyond its edge

// ExposureBar draws the line that decides exposure: who is in is lit from the left. `glow` is where the light ends.
export function ExposureBar({ pieces, glow, dark, marker, height }: { pieces: ExposurePiece[]; glow: number; dark: boolean; marker?: number; height: number }) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  const id = useId()
  const edge = (glow / buckets) * width
  return (
    <div ref={ref} className={classes.bar} data-dark={dark || undefined} style={{ height }} aria-hidden="true">
      {width > 0 && (
        <svg width={width} height={height} className={classes.svg}>
          <defs>
            <linearGradient id={`${id}l`} gradientUnits="userSpaceOnUse" x1={0} x2={Math.max(edge, 1)} y1={0} y2={0}>
              <stop offset="0" className={classes.ember} />
              <stop offset="1" className={classes.light} />
            </linearGradient>
            <linearGradient id={`${id}g`} x1={0} x2={1} y1={0} y2={0}>
              <stop offset="0" className={classes.spill} />
              <stop offset="1" className={classes.dusk} />
            </linearGradient>
            <Stripes id={`${id}e`} className={classes.enterStripe} />
            <Stripes id={`${id}v`} className={classes.leaveStripe} />
          </defs>
          <rect width={width} height={height} className={classes.track} />
          {glow > 0 && glow < buckets && !dark && <rect x={edge} width={Math.min(spill, width - edge)} height={height} fill={`url(#${id}g)`} />}
          {place(pieces, width, 2).map(({ piece, x, width: w }) => (
            <g key={piece.state}>
              {(piece.state === 'in' || piece.state === 'enter') && <rect x={x} width={w} height={height} fill={`url(#${id}l)`} className={classes.lit} />}
              {piece.state === 'enter' && <rect x={x} width={w} height={height} fill={`url(#${id}e)`} />}
              {piece.state === 'leave' && <rect x={x} width={w} height={height} fill={`url(#${id}v)`} className={classes.leave} />}
            </g>
          ))}
          {[0.25, 0.5, 0.75].map((at) => (
            <path key={at} d={`M${Math.round(at * width) + 0.5} ${height - 5}V${height}`} className={classes.tick} />
          ))}
          {marker !== undefined && <Marker bucket={marker} width={width} height={height} />}
        </svg>
      )}
    </div>
  )
}

type AssignmentProps = {
  pieces: AssignmentPiece[]
  /** Nobody is exposed, so nobody has a variant now. */
  quiet?: boolean
  tone: (variant: string) => Tone
  marker?: number
  height: number
  label: (piece: AssignmentPiece) => string
}

// AssignmentBar draws the line that decides the variant, each in its colour; who switches is hatched in the colour of the variant that was.
export function AssignmentBar({ pieces, tone, marker, height, label, quiet }: AssignmentProps) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  const id = useId()
  const placed = place(pieces, width, 2)
  return (
    <div ref={ref} className={classes.bar} data-quiet={quiet || undefined} style={{ height }} aria-hidden="true">
      {width > 0 && (
        <svg width={width} height={height} className={classes.svg}>
          <defs>
            {[...new Set(pieces.map((p) => p.was).filter((v) => v !== undefined))].map((was) => (
              <Stripes key={was} id={`${id}${tone(was)}`} className={`${classes.was} ${classes[tone(was)]}`} />
            ))}
          </defs>
          {placed.map(({ piece, x, width: w }, i) => (
            <g key={i}>
              <rect x={x} width={w} height={height} className={`${classes.piece} ${classes[tone(piece.variant)]}`} />
              {piece.was !== undefined && (
                <>
                  <rect x={x} width={w} height={height} fill={`url(#${id}${tone(piece.was)})`} />
                  <rect x={x + 0.5} y={0.5} width={Math.max(1, w - 1)} height={height - 1} className={classes.moving} />
                </>
              )}
              {i > 0 && <path d={`M${x} 0V${height}`} className={classes.seam} />}
            </g>
          ))}
          {placed.map(({ piece, x, width: w }, i) => {
            const text = label(piece)
            return piece.was === undefined && w > text.length * 7.2 + 16 ? (
              <text key={i} x={x + 8} y={height / 2} className={classes.name} data-tone={tone(piece.variant)}>
                {text}
              </text>
            ) : null
          })}
          {marker !== undefined && <Marker bucket={marker} width={width} height={height} />}
        </svg>
      )}
    </div>
  )
}

function Stripes({ id, className }: { id: string; className: string | undefined }) {
  return (
    <pattern id={id} width={6} height={6} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect width={3} height={6} className={className} />
    </pattern>
  )
}

function Marker({ bucket, width, height }: { bucket: number; width: number; height: number }) {
  const x = Math.min(width - 2, Math.max(2, ((bucket + 0.5) / buckets) * width))
  return (
    <g className={classes.marker}>
      <path d={`M${x} 0V${height}`} />
      <path d={`M${x - 5} 0h10l-5 6Z`} />
    </g>
  )
}

// Swatch is a piece of a bar as it stands in a legend.
export function Swatch({ kind, children }: { kind: 'in' | 'enter' | 'leave' | 'switch' | Tone; children?: ReactNode }) {
  return (
    <span className={classes.swatch} data-kind={kind} aria-hidden="true">
      {children}
    </span>
  )
}
